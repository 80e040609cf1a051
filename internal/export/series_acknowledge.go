package export

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// report is what one collection told of a metric. It is kept until the export is acknowledged or the next collection
// begins: a reader has one collection on its way at a time.
type report struct {
	family     *family
	turns      uint64     // the additions that it tells
	deliveries []delivery // of the series told as what was added; others tell all that they hold again and again
}

// delivery is what a reader of delta temporality was told of a series.
type delivery struct {
	series *series
	value  int64 // of the series at that time
	added  *addition
}

// addition is what was added to a distribution. Most of its buckets hold nothing, so the outer ones are left out: to
// keep whole distributions would double the memory of a histogram's readers.
type addition struct {
	count, zero uint64
	buckets     metricdata.ExponentialBucket
	// sum is that of the whole distribution at that time: rounding could make differences of differences negative.
	sum float64
}

// deliver enters what the collection tells of a series as added.
func (c *collection) deliver(d delivery) {
	r := &c.reports[len(c.reports)-1]
	r.deliveries = append(r.deliveries, d)
}

// span is some points of a metric, by their places in what a collection told.
type span struct {
	metric   string
	from, to int
}

// acknowledge enters that what the last collection told was delivered, but for what is owed. What is not acknowledged
// is told again.
func (p *producer) acknowledge(owed ...span) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.outstanding == nil {
		return
	}
	now := p.table.now()
	for i := range p.outstanding.reports {
		r := &p.outstanding.reports[i]
		r.family.acknowledge(p, r, owed, now)
	}
	p.since = p.outstanding.now
	p.outstanding = nil
}

// acknowledge enters the report as delivered and lets the series go that have waited for that. Its points stand in the
// order of its deliveries.
func (f *family) acknowledge(p *producer, r *report, owed []span, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	owed = slices.DeleteFunc(slices.Clone(owed), func(s span) bool { return s.metric != f.metric.Name })
	for i := range r.deliveries {
		d := &r.deliveries[i]
		if slices.ContainsFunc(owed, func(s span) bool { return s.from <= i && i < s.to }) {
			if _, before := p.owed[d.series]; !before {
				p.owed[d.series] = p.since
			}
			continue
		}
		delete(p.owed, d.series)
		told := &d.series.told[p.index]
		told.value = d.value
		if d.added != nil {
			told.enter(d.added)
		}
	}
	if len(owed) > 0 {
		return // the series that wait are among those
	}
	f.reported[p.index] = r.turns
	f.leave(now)
}

// enter adds the addition to the distribution.
func (t *total) enter(a *addition) {
	if t.distribution == nil {
		t.distribution = new(telemetry.Distribution)
	}
	d := t.distribution
	d.Count += a.count
	d.Zero += a.zero
	d.Sum = a.sum
	for i, n := range a.buckets.Counts {
		d.Buckets[int(a.buckets.Offset)-telemetry.FirstBucket+i] += n
	}
}
