package export

import (
	"reflect"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

func TestValuesOfEveryType(t *testing.T) {
	for _, test := range []struct {
		value attribute.Value
		want  any
	}{
		{attribute.Value{}, nil},
		{attribute.BoolValue(true), true},
		{attribute.Int64Value(-7), int64(-7)},
		{attribute.Float64Value(0.5), 0.5},
		{attribute.StringValue("x"), "x"},
		{attribute.ByteSliceValue([]byte{1, 2}), []byte{1, 2}},
		{attribute.BoolSliceValue([]bool{true, false}), []any{true, false}},
		{attribute.Int64SliceValue([]int64{1, 2}), []any{int64(1), int64(2)}},
		{attribute.Float64SliceValue([]float64{0.5}), []any{0.5}},
		{attribute.StringSliceValue([]string{"a", "b"}), []any{"a", "b"}},
		{attribute.SliceValue(attribute.IntValue(1), attribute.StringValue("a")), []any{int64(1), "a"}},
		{attribute.MapValue(attribute.Int("k", 1)), map[string]any{"k": int64(1)}},
	} {
		got := pcommon.NewValueEmpty()
		putValue(got, test.value)
		if !reflect.DeepEqual(got.AsRaw(), test.want) {
			t.Errorf("%s: %#v, want %#v", test.value.Type(), got.AsRaw(), test.want)
		}
	}
}

// everyKind is a metric of every kind and number, each with one point.
func everyKind() *metricdata.ResourceMetrics {
	begin, end := time.Unix(1, 0), time.Unix(2, 0)
	set := attribute.NewSet(attribute.String("k", "v"))
	whole := []metricdata.DataPoint[int64]{{Attributes: set, StartTime: begin, Time: end, Value: -3}}
	real := []metricdata.DataPoint[float64]{{Attributes: set, Time: end, Value: 0.5}}
	return &metricdata.ResourceMetrics{
		Resource: resource.NewWithAttributes("resource schema", attribute.String("r", "s")),
		ScopeMetrics: []metricdata.ScopeMetrics{{
			Scope: instrumentation.Scope{Name: "scope", Version: "1", SchemaURL: "scope schema", Attributes: set},
			Metrics: []metricdata.Metrics{
				{Name: "sum.int", Description: "d", Unit: "u", Data: metricdata.Sum[int64]{
					DataPoints: whole, Temporality: metricdata.CumulativeTemporality, IsMonotonic: true}},
				{Name: "sum.float", Data: metricdata.Sum[float64]{
					DataPoints: real, Temporality: metricdata.DeltaTemporality}},
				{Name: "gauge.int", Data: metricdata.Gauge[int64]{DataPoints: whole}},
				{Name: "gauge.float", Data: metricdata.Gauge[float64]{DataPoints: real}},
				{Name: "histogram.int", Data: metricdata.Histogram[int64]{
					Temporality: metricdata.DeltaTemporality,
					DataPoints: []metricdata.HistogramDataPoint[int64]{{Attributes: set, StartTime: begin, Time: end,
						Count: 3, Sum: 6, Bounds: []float64{1, 2}, BucketCounts: []uint64{1, 1, 1},
						Min: metricdata.NewExtrema[int64](1), Max: metricdata.NewExtrema[int64](3)}}}},
				{Name: "histogram.float", Data: metricdata.Histogram[float64]{
					Temporality: metricdata.CumulativeTemporality,
					DataPoints:  []metricdata.HistogramDataPoint[float64]{{Count: 1, Sum: 0.5, BucketCounts: []uint64{1}}}}},
				{Name: "exponential.int", Data: metricdata.ExponentialHistogram[int64]{
					DataPoints: []metricdata.ExponentialHistogramDataPoint[int64]{{Count: 1, Sum: 1}}}},
				{Name: "exponential.float", Data: metricdata.ExponentialHistogram[float64]{
					Temporality: metricdata.CumulativeTemporality,
					DataPoints: []metricdata.ExponentialHistogramDataPoint[float64]{{Attributes: set, StartTime: begin,
						Time: end, Count: 5, Sum: 2.5, Scale: 2, ZeroCount: 1, ZeroThreshold: 1e-9,
						Min: metricdata.NewExtrema(-1.0), Max: metricdata.NewExtrema(2.0),
						PositiveBucket: metricdata.ExponentialBucket{Offset: -3, Counts: []uint64{1, 0, 2}},
						NegativeBucket: metricdata.ExponentialBucket{Offset: 4, Counts: []uint64{1}}}}}},
				{Name: "summary", Data: metricdata.Summary{DataPoints: []metricdata.SummaryDataPoint{{
					Attributes: set, StartTime: begin, Time: end, Count: 2, Sum: 3,
					QuantileValues: []metricdata.QuantileValue{{Quantile: 0.5, Value: 1.5}}}}}},
			},
		}},
	}
}

func TestMetricsOfEveryKindAsJSON(t *testing.T) {
	line, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(toMetrics(everyKind()))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "every_kind.json", append(line, '\n'))
	again, err := (&pmetric.JSONUnmarshaler{}).UnmarshalMetrics(line)
	if err != nil {
		t.Fatal(err)
	}
	if n := again.DataPointCount(); n != 9 {
		t.Errorf("%d points read back, want 9", n)
	}
}

func TestPointsThatMustNotBeLostInTranslation(t *testing.T) {
	metrics := toMetrics(everyKind()).ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
	sum := metrics.At(0).Sum()
	if p := sum.DataPoints().At(0); !sum.IsMonotonic() || p.IntValue() != -3 || p.StartTimestamp() != 1e9 ||
		p.Timestamp() != 2e9 || sum.AggregationTemporality() != pmetric.AggregationTemporalityCumulative {
		t.Errorf("sum of whole numbers: %v", p)
	}
	sum = metrics.At(1).Sum()
	if p := sum.DataPoints().At(0); sum.IsMonotonic() || p.DoubleValue() != 0.5 || p.StartTimestamp() != 0 ||
		sum.AggregationTemporality() != pmetric.AggregationTemporalityDelta {
		t.Errorf("sum of floating-point numbers: %v", p)
	}
	h := metrics.At(5).Histogram().DataPoints().At(0)
	if h.HasMin() || h.HasMax() {
		t.Error("extrema that are not defined are translated")
	}
	e := metrics.At(7).ExponentialHistogram().DataPoints().At(0)
	if e.Scale() != 2 || e.ZeroCount() != 1 || e.Positive().Offset() != -3 || e.Negative().Offset() != 4 ||
		e.Positive().BucketCounts().At(2) != 2 || e.Min() != -1 || e.Max() != 2 {
		t.Errorf("exponential histogram: %v", e)
	}
}
