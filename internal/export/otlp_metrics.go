package export

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// toMetrics translates what a reader collected to one OTLP request. Exemplars are off, so there are none to translate.
func toMetrics(metrics *metricdata.ResourceMetrics) pmetric.Metrics {
	out := pmetric.NewMetrics()
	res := out.ResourceMetrics().AppendEmpty()
	putResource(res.Resource(), metrics.Resource)
	res.SetSchemaUrl(metrics.Resource.SchemaURL())
	for _, scope := range metrics.ScopeMetrics {
		to := res.ScopeMetrics().AppendEmpty()
		to.SetSchemaUrl(scope.Scope.SchemaURL)
		putScope(to.Scope(), scope.Scope)
		for _, m := range scope.Metrics {
			metric := to.Metrics().AppendEmpty()
			metric.SetName(m.Name)
			metric.SetDescription(m.Description)
			metric.SetUnit(m.Unit)
			putData(metric, m.Data)
		}
	}
	return out
}

// putData translates the points of any kind of metric.
func putData(dst pmetric.Metric, data metricdata.Aggregation) {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		putSum(dst.SetEmptySum(), d)
	case metricdata.Sum[float64]:
		putSum(dst.SetEmptySum(), d)
	case metricdata.Gauge[int64]:
		putNumbers(dst.SetEmptyGauge().DataPoints(), d.DataPoints)
	case metricdata.Gauge[float64]:
		putNumbers(dst.SetEmptyGauge().DataPoints(), d.DataPoints)
	case metricdata.Histogram[int64]:
		putHistogram(dst.SetEmptyHistogram(), d)
	case metricdata.Histogram[float64]:
		putHistogram(dst.SetEmptyHistogram(), d)
	case metricdata.ExponentialHistogram[int64]:
		putExponential(dst.SetEmptyExponentialHistogram(), d)
	case metricdata.ExponentialHistogram[float64]:
		putExponential(dst.SetEmptyExponentialHistogram(), d)
	case metricdata.Summary:
		putSummary(dst.SetEmptySummary(), d)
	}
}

func putSum[N int64 | float64](dst pmetric.Sum, sum metricdata.Sum[N]) {
	dst.SetAggregationTemporality(temporality(sum.Temporality))
	dst.SetIsMonotonic(sum.IsMonotonic)
	putNumbers(dst.DataPoints(), sum.DataPoints)
}

func putNumbers[N int64 | float64](dst pmetric.NumberDataPointSlice, points []metricdata.DataPoint[N]) {
	dst.EnsureCapacity(len(points))
	for i := range points {
		p, to := &points[i], dst.AppendEmpty()
		putSet(to.Attributes(), &p.Attributes)
		to.SetStartTimestamp(timestamp(p.StartTime))
		to.SetTimestamp(timestamp(p.Time))
		switch v := any(p.Value).(type) {
		case int64:
			to.SetIntValue(v)
		case float64:
			to.SetDoubleValue(v)
		}
	}
}

func temporality(t metricdata.Temporality) pmetric.AggregationTemporality {
	switch t {
	case metricdata.DeltaTemporality:
		return pmetric.AggregationTemporalityDelta
	case metricdata.CumulativeTemporality:
		return pmetric.AggregationTemporalityCumulative
	}
	return pmetric.AggregationTemporalityUnspecified
}

// timestamp translates a time; one that is not set stays so.
func timestamp(t time.Time) pcommon.Timestamp {
	if t.IsZero() {
		return 0
	}
	return pcommon.NewTimestampFromTime(t)
}
