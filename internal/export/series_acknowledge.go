package export

import (
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

// acknowledge enters that what the last collection told was delivered. What is not acknowledged is told again.
func (p *producer) acknowledge() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.outstanding == nil {
		return
	}
	p.since = p.outstanding.now
	now := p.table.now()
	for i := range p.outstanding.reports {
		r := &p.outstanding.reports[i]
		r.family.acknowledge(p.index, r, now)
	}
	p.outstanding = nil
}

// acknowledge enters the report as delivered and lets the series go that have waited for that.
func (f *family) acknowledge(reader int, r *report, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range r.deliveries {
		d := &r.deliveries[i]
		told := &d.series.told[reader]
		told.value = d.value
		if d.added != nil {
			told.enter(d.added)
		}
	}
	f.reported[reader] = r.turns
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
