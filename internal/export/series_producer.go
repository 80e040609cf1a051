package export

import (
	"context"
	"sync"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// producer tells one reader what the table holds, in the reader's form.
type producer struct {
	table *seriesTable
	index int // among the table's producers
	form  form

	mu          sync.Mutex
	since       time.Time   // of the last collection that was acknowledged, at first of the table's beginning
	outstanding *collection // the last one, nil once it is acknowledged
	// owed are the series that the last acknowledged collections told and did not deliver, with when they were last
	// acknowledged.
	owed map[*series]time.Time
}

var _ sdkmetric.Producer = (*producer)(nil)

// Produce returns all metrics that have something to tell. An interval of delta temporality ends with the collection
// that is acknowledged: until then the next one tells what this one did, and more.
func (p *producer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	p.table.told.mu.Lock()
	defer p.table.told.mu.Unlock()
	p.table.observe()
	p.mu.Lock()
	defer p.mu.Unlock()
	families := p.table.all()
	c := &collection{reader: p.index, form: p.form, since: p.since, owed: p.owed, now: p.table.now(),
		reports: make([]report, 0, len(families))}
	p.outstanding = c
	metrics := make([]metricdata.Metrics, 0, len(families))
	for _, f := range families {
		if data := f.collect(c); data != nil {
			metrics = append(metrics, metricdata.Metrics{
				Name: f.metric.Name, Description: f.metric.Description, Unit: f.metric.Unit, Data: data})
		}
	}
	if len(metrics) == 0 {
		return nil, nil
	}
	return []metricdata.ScopeMetrics{{Scope: p.table.scope, Metrics: metrics}}, nil
}

// collection is one collection of one reader.
type collection struct {
	reader int
	form   form
	// since is when the reader's last acknowledged collection was.
	since, now time.Time
	owed       map[*series]time.Time // instead of since, the producer's
	reports    []report
}

// start returns the start of what is told of a series. A clock that was stepped back must not make it end before that.
func (c *collection) start(s *series, delta bool) time.Time {
	start := s.start
	if delta {
		start = c.since
		if owed, ok := c.owed[s]; ok {
			start = owed
		}
	}
	if start.After(c.now) {
		return c.now
	}
	return start
}

// collect returns the metric's points, nil if there are none, and then lets idle series go that wait for nobody.
func (f *family) collect(c *collection) metricdata.Aggregation {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.reports = append(c.reports, report{family: f, turns: f.turns})
	var data metricdata.Aggregation
	switch f.metric.Kind {
	case telemetry.Histogram:
		data = f.histogram(c)
	case telemetry.Gauge:
		data = f.gauge(c)
	default:
		data = f.sum(c)
	}
	f.leave(c.now)
	return data
}

func (f *family) sum(c *collection) metricdata.Aggregation {
	delta := c.form.delta(f.metric.Kind)
	points := make([]metricdata.DataPoint[int64], 0, len(f.list))
	for _, s := range f.list {
		value := s.total.value
		if delta {
			value -= s.told[c.reader].value
			if value == 0 {
				continue
			}
			c.deliver(delivery{series: s, value: s.total.value})
		}
		points = append(points, metricdata.DataPoint[int64]{
			Attributes: s.set, StartTime: c.start(s, delta), Time: c.now, Value: value})
	}
	if len(points) == 0 {
		return nil
	}
	return metricdata.Sum[int64]{DataPoints: points, Temporality: c.form.temporality(f.metric.Kind),
		IsMonotonic: f.metric.Kind == telemetry.Counter}
}

func (f *family) gauge(c *collection) metricdata.Aggregation {
	points := make([]metricdata.DataPoint[int64], 0, len(f.list))
	for _, s := range f.list {
		if s.turn != f.round && f.told {
			continue // of what there is no more
		}
		points = append(points, metricdata.DataPoint[int64]{
			Attributes: s.set, StartTime: c.start(s, false), Time: c.now, Value: s.total.value})
	}
	if len(points) == 0 {
		return nil
	}
	return metricdata.Gauge[int64]{DataPoints: points}
}
