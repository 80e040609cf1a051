package export

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// The most bytes that parts of a point take beside its attributes, as in request_size.go.
const (
	pointSize  = 2*9 + 10 + 4*fieldSize + 2*10  // times, value or count, sum, flags
	bucketSize = 10 + 9                         // a count and a bound
	metricSize = 6*fieldSize + 4*fieldSize + 10 // name, unit, description, kind and what they stand in
	scaleSize  = 8*fieldSize + 4*10             // of an exponential histogram: scale, zero count, offsets
)

// points are the points of one metric, whatever their kind.
type points struct {
	n    int
	size func(i int) int
	cut  func(from, to int) metricdata.Aggregation
}

// part is what goes into one request, and which points those are.
type part struct {
	*metricdata.ResourceMetrics
	spans []span
}

// parts divides metrics into requests of at most limit bytes each. A point that is larger by itself is a request of its
// own: the collector says what becomes of it.
func parts(metrics *metricdata.ResourceMetrics, limit int) []part {
	d := divider{whole: metrics, limit: limit}
	d.begin()
	for s := range metrics.ScopeMetrics {
		d.scope = &metrics.ScopeMetrics[s]
		d.entered = false
		for m := range d.scope.Metrics {
			d.add(&d.scope.Metrics[m])
		}
	}
	return d.done
}

// divider fills one request after the other.
type divider struct {
	whole   *metricdata.ResourceMetrics
	limit   int
	done    []part // the last one is being filled
	size    int
	scope   *metricdata.ScopeMetrics
	entered bool // the scope stands in the request that is being filled
}

// begin opens a request.
func (d *divider) begin() {
	d.done = append(d.done, part{ResourceMetrics: &metricdata.ResourceMetrics{Resource: d.whole.Resource}})
	d.size, d.entered = headSize+len(d.whole.Resource.SchemaURL()), false
	for iter := d.whole.Resource.Iter(); iter.Next(); {
		d.size += attributeSizeOf(iter.Attribute())
	}
}

// add puts a metric into the request, and what does not fit into the next.
func (d *divider) add(m *metricdata.Metrics) {
	own := metricSize + len(m.Name) + len(m.Unit) + len(m.Description)
	all := dividable(m.Data)
	for from := 0; from < all.n; {
		size, to := d.size+own+d.scopeSize(), from
		for to < all.n && size+all.size(to) <= d.limit {
			size += all.size(to)
			to++
		}
		if to == from {
			if len(d.last().ScopeMetrics) > 0 {
				d.begin()
				continue
			}
			size, to = size+all.size(from), from+1
		}
		d.last().spans = append(d.last().spans, span{m.Name, from, to})
		d.enter(metricdata.Metrics{Name: m.Name, Unit: m.Unit, Description: m.Description, Data: all.cut(from, to)})
		d.size, from = size, to
	}
}

func (d *divider) last() *part { return &d.done[len(d.done)-1] }

func (d *divider) scopeSize() int {
	if d.entered {
		return 0
	}
	s := d.scope.Scope
	return headSize + len(s.Name) + len(s.Version) + len(s.SchemaURL) + setSizeOf(&s.Attributes)
}

func (d *divider) enter(m metricdata.Metrics) {
	part := d.last()
	if !d.entered {
		part.ScopeMetrics = append(part.ScopeMetrics, metricdata.ScopeMetrics{Scope: d.scope.Scope})
		d.entered = true
	}
	scope := &part.ScopeMetrics[len(part.ScopeMetrics)-1]
	scope.Metrics = append(scope.Metrics, m)
}

// dividable returns the points of a metric of a kind that kerntap has; there are none of others.
func dividable(data metricdata.Aggregation) points {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		return pointsIn(d.DataPoints, numberSizeOf, func(p []metricdata.DataPoint[int64]) metricdata.Aggregation {
			d.DataPoints = p
			return d
		})
	case metricdata.Gauge[int64]:
		return pointsIn(d.DataPoints, numberSizeOf, func(p []metricdata.DataPoint[int64]) metricdata.Aggregation {
			d.DataPoints = p
			return d
		})
	case metricdata.Histogram[float64]:
		return pointsIn(d.DataPoints, histogramSizeOf, func(p []metricdata.HistogramDataPoint[float64]) metricdata.Aggregation {
			d.DataPoints = p
			return d
		})
	case metricdata.ExponentialHistogram[float64]:
		return pointsIn(d.DataPoints, exponentialSizeOf,
			func(p []metricdata.ExponentialHistogramDataPoint[float64]) metricdata.Aggregation {
				d.DataPoints = p
				return d
			})
	}
	return points{}
}

func pointsIn[P any](all []P, size func(*P) int, with func([]P) metricdata.Aggregation) points {
	return points{
		n:    len(all),
		size: func(i int) int { return size(&all[i]) },
		cut:  func(from, to int) metricdata.Aggregation { return with(all[from:to:to]) },
	}
}

func numberSizeOf(p *metricdata.DataPoint[int64]) int { return pointSize + setSizeOf(&p.Attributes) }

func histogramSizeOf(p *metricdata.HistogramDataPoint[float64]) int {
	return pointSize + 2*10 + setSizeOf(&p.Attributes) + bucketSize*(len(p.BucketCounts)+1)
}

func exponentialSizeOf(p *metricdata.ExponentialHistogramDataPoint[float64]) int {
	return pointSize + scaleSize + setSizeOf(&p.Attributes) +
		10*(len(p.PositiveBucket.Counts)+len(p.NegativeBucket.Counts))
}

func setSizeOf(set *attribute.Set) (size int) {
	for iter := set.Iter(); iter.Next(); {
		size += attributeSizeOf(iter.Attribute())
	}
	return size
}
