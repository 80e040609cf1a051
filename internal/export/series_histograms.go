package export

import (
	"iter"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// histogram returns the points of a histogram in the reader's form.
func (f *family) histogram(c *collection) metricdata.Aggregation {
	switch c.form.histograms {
	case explicitBuckets:
		if points := f.explicit(c); len(points) > 0 {
			return metricdata.Histogram[float64]{
				DataPoints: points, Temporality: c.form.temporality(f.metric.Kind)}
		}
	case exponentialBuckets:
		if points := f.exponential(c); len(points) > 0 {
			return metricdata.ExponentialHistogram[float64]{
				DataPoints: points, Temporality: c.form.temporality(f.metric.Kind)}
		}
	}
	return nil
}

// distributions yields what each series has to tell the reader; a distribution is valid until the next one.
func (f *family) distributions(c *collection) iter.Seq2[*series, *telemetry.Distribution] {
	return func(yield func(*series, *telemetry.Distribution) bool) {
		delta := c.form.delta(f.metric.Kind)
		var added telemetry.Distribution
		for _, s := range f.list {
			distribution := s.total.distribution
			if delta {
				if !s.untold(c.reader, &added) {
					continue
				}
				distribution = &added
				c.deliver(delivery{series: s, added: &addition{
					count: added.Count, zero: added.Zero, buckets: trimmed(&added), sum: s.total.distribution.Sum}})
			}
			if !yield(s, distribution) {
				return
			}
		}
	}
}

// untold puts into added what was not delivered to the reader yet. Without any it returns false.
func (s *series) untold(reader int, added *telemetry.Distribution) bool {
	total, told := s.total.distribution, s.told[reader].distribution
	if told == nil {
		*added = *total
		return total.Count > 0
	}
	if total.Count == told.Count {
		return false
	}
	added.Count, added.Sum, added.Zero = total.Count-told.Count, total.Sum-told.Sum, total.Zero-told.Zero
	for i, n := range total.Buckets {
		added.Buckets[i] = n - told.Buckets[i]
	}
	return true
}

func (f *family) explicit(c *collection) []metricdata.HistogramDataPoint[float64] {
	delta, bounds := c.form.delta(f.metric.Kind), durationBounds()
	points := make([]metricdata.HistogramDataPoint[float64], 0, len(f.list))
	places := make([]uint64, len(f.list)*(len(bounds)+1)) // one allocation for the buckets of all points
	for s, d := range f.distributions(c) {
		counts := places[: len(bounds)+1 : len(bounds)+1]
		places = places[len(counts):]
		countExplicit(counts, d)
		points = append(points, metricdata.HistogramDataPoint[float64]{
			Attributes: s.set, StartTime: c.start(s, delta), Time: c.now,
			Count: d.Count, Sum: d.Sum, Bounds: bounds, BucketCounts: counts})
	}
	return points
}

func (f *family) exponential(c *collection) []metricdata.ExponentialHistogramDataPoint[float64] {
	delta := c.form.delta(f.metric.Kind)
	points := make([]metricdata.ExponentialHistogramDataPoint[float64], 0, len(f.list))
	for s, d := range f.distributions(c) {
		points = append(points, metricdata.ExponentialHistogramDataPoint[float64]{
			Attributes: s.set, StartTime: c.start(s, delta), Time: c.now,
			Count: d.Count, Sum: d.Sum, Scale: telemetry.BucketScale,
			ZeroCount: d.Zero, ZeroThreshold: telemetry.ZeroThreshold(), PositiveBucket: trimmed(d)})
	}
	return points
}
