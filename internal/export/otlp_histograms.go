package export

import (
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func putHistogram[N int64 | float64](dst pmetric.Histogram, h metricdata.Histogram[N]) {
	dst.SetAggregationTemporality(temporality(h.Temporality))
	dst.DataPoints().EnsureCapacity(len(h.DataPoints))
	for i := range h.DataPoints {
		p, to := &h.DataPoints[i], dst.DataPoints().AppendEmpty()
		putSet(to.Attributes(), &p.Attributes)
		to.SetStartTimestamp(timestamp(p.StartTime))
		to.SetTimestamp(timestamp(p.Time))
		to.SetCount(p.Count)
		to.SetSum(float64(p.Sum))
		putExtremum(to.SetMin, p.Min)
		putExtremum(to.SetMax, p.Max)
		to.ExplicitBounds().FromRaw(p.Bounds)
		to.BucketCounts().FromRaw(p.BucketCounts)
	}
}

func putExponential[N int64 | float64](dst pmetric.ExponentialHistogram, h metricdata.ExponentialHistogram[N]) {
	dst.SetAggregationTemporality(temporality(h.Temporality))
	dst.DataPoints().EnsureCapacity(len(h.DataPoints))
	for i := range h.DataPoints {
		p, to := &h.DataPoints[i], dst.DataPoints().AppendEmpty()
		putSet(to.Attributes(), &p.Attributes)
		to.SetStartTimestamp(timestamp(p.StartTime))
		to.SetTimestamp(timestamp(p.Time))
		to.SetCount(p.Count)
		to.SetSum(float64(p.Sum))
		putExtremum(to.SetMin, p.Min)
		putExtremum(to.SetMax, p.Max)
		to.SetScale(p.Scale)
		to.SetZeroCount(p.ZeroCount)
		to.SetZeroThreshold(p.ZeroThreshold)
		putBuckets(to.Positive(), p.PositiveBucket)
		putBuckets(to.Negative(), p.NegativeBucket)
	}
}

func putBuckets(dst pmetric.ExponentialHistogramDataPointBuckets, b metricdata.ExponentialBucket) {
	dst.SetOffset(b.Offset)
	dst.BucketCounts().FromRaw(b.Counts)
}

func putSummary(dst pmetric.Summary, s metricdata.Summary) {
	dst.DataPoints().EnsureCapacity(len(s.DataPoints))
	for i := range s.DataPoints {
		p, to := &s.DataPoints[i], dst.DataPoints().AppendEmpty()
		putSet(to.Attributes(), &p.Attributes)
		to.SetStartTimestamp(timestamp(p.StartTime))
		to.SetTimestamp(timestamp(p.Time))
		to.SetCount(p.Count)
		to.SetSum(p.Sum)
		for _, q := range p.QuantileValues {
			quantile := to.QuantileValues().AppendEmpty()
			quantile.SetQuantile(q.Quantile)
			quantile.SetValue(q.Value)
		}
	}
}

// putExtremum sets a minimum or a maximum where there is one.
func putExtremum[N int64 | float64](set func(float64), e metricdata.Extrema[N]) {
	if v, defined := e.Value(); defined {
		set(float64(v))
	}
}
