package export

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// someValues are random values over all buckets and beyond, and all bounds with their neighbours.
func someValues() []float64 {
	random := rand.New(rand.NewPCG(1, 2))
	var values []float64
	for range 5000 {
		values = append(values, math.Exp2(random.Float64()*60-30))
	}
	for i := range telemetry.BucketCount {
		bound := telemetry.UpperBound(i)
		values = append(values, bound, math.Nextafter(bound, 0), math.Nextafter(bound, math.Inf(1)))
	}
	for exponent := -30; exponent <= 30; exponent++ {
		values = append(values, math.Ldexp(1, exponent))
	}
	return append(values, 0, telemetry.ZeroThreshold())
}

// told returns the points of a histogram of the values.
func told(t *testing.T, exponential bool, values []float64) metricdata.Aggregation {
	t.Helper()
	table := newTable(t, &hand{}, nil, formFor(TemporalityCumulative, exponential))
	for chunk := range slices.Chunk(values, 7) {
		table.addNow(telemetry.Measurement{Metric: kinds()[3], Distribution: distributionOf(chunk...)})
	}
	return collect(t, table.producers[0])["histogram"].Data
}

func TestExplicitBucketsAreThoseOfTheValuesThemselves(t *testing.T) {
	values := someValues()
	bounds := durationBounds()
	want := make([]uint64, len(bounds)+1)
	for _, v := range values {
		want[sort.SearchFloat64s(bounds, v)]++ // bounds belong to the bucket below them
	}
	p := told(t, false, values).(metricdata.Histogram[float64]).DataPoints[0]
	if !slices.Equal(p.BucketCounts, want) || !slices.Equal(p.Bounds, bounds) || p.Count != uint64(len(values)) {
		t.Errorf("%d values in\n%v, want\n%v", p.Count, p.BucketCounts, want)
	}
	if bounds[0] != math.Ldexp(1, -17) || bounds[len(bounds)-1] != 4096 || len(bounds) != 30 {
		t.Errorf("bounds = %v", bounds)
	}
}

func TestExponentialBucketsAreThoseOfTheIndexFormula(t *testing.T) {
	values := someValues()
	want := map[int]uint64{}
	var zero uint64
	for _, v := range values {
		switch {
		case v <= telemetry.ZeroThreshold():
			zero++
		default:
			want[min(indexOf(v), telemetry.FirstBucket+telemetry.BucketCount-1)]++
		}
	}
	p := told(t, true, values).(metricdata.ExponentialHistogram[float64]).DataPoints[0]
	if p.Scale != 2 || p.ZeroCount != zero || p.ZeroThreshold != math.Ldexp(1, -20) || p.Count != uint64(len(values)) {
		t.Errorf("scale %d, %d up to %g, want %d", p.Scale, p.ZeroCount, p.ZeroThreshold, zero)
	}
	for i, n := range p.PositiveBucket.Counts {
		if index := int(p.PositiveBucket.Offset) + i; n != want[index] {
			t.Errorf("bucket %d has %d, want %d", index, n, want[index])
		}
	}
	if len(p.PositiveBucket.Counts) != len(want) || len(p.NegativeBucket.Counts) != 0 {
		t.Errorf("%d buckets, want %d", len(p.PositiveBucket.Counts), len(want))
	}
}

// indexOf is the data model's formula: the bucket i with base^i < v <= base^(i+1), base 2^(2^-scale). The logarithm is
// corrected where it is inexact.
func indexOf(v float64) int {
	index := int(math.Ceil(math.Log2(v)*4)) - 1
	lower := func(i int) float64 {
		return math.Ldexp(math.Exp2(float64(i&3)/4), i>>2)
	}
	for v <= lower(index) {
		index--
	}
	for v > lower(index+1) {
		index++
	}
	return index
}

func TestExponentialBucketsAreTrimmed(t *testing.T) {
	p := told(t, true, []float64{1.5, 1.5, 8}).(metricdata.ExponentialHistogram[float64]).DataPoints[0]
	// 1.5 lies in (2^(2/4), 2^(3/4)], 8 in (2^(11/4), 2^(12/4)].
	if b := p.PositiveBucket; b.Offset != 2 || !slices.Equal(b.Counts, []uint64{2, 0, 0, 0, 0, 0, 0, 0, 0, 1}) {
		t.Errorf("buckets = %+v", b)
	}
	p = told(t, true, []float64{0}).(metricdata.ExponentialHistogram[float64]).DataPoints[0]
	if b := p.PositiveBucket; len(b.Counts) != 0 || p.ZeroCount != 1 || p.Count != 1 {
		t.Errorf("nothing but zero: %+v", p)
	}
}

func TestDeltasOfHistogramsAreWholePoints(t *testing.T) {
	table := newTable(t, &hand{}, nil, formFor(TemporalityDelta, true), formFor(TemporalityDelta, false))
	for _, values := range [][]float64{{0, 0.5, 3}, {0.5, 1e9}, {0}} {
		table.addNow(telemetry.Measurement{Metric: kinds()[3], Distribution: distributionOf(values...)})
		want := distributionOf(values...)
		e := collect(t, table.producers[0])["histogram"].Data.(metricdata.ExponentialHistogram[float64]).DataPoints[0]
		if e.Count != want.Count || e.Sum != want.Sum || e.ZeroCount != want.Zero ||
			!slices.Equal(e.PositiveBucket.Counts, trimmed(want).Counts) || e.PositiveBucket.Offset != trimmed(want).Offset {
			t.Errorf("%v: %+v", values, e)
		}
		x := collect(t, table.producers[1])["histogram"].Data.(metricdata.Histogram[float64]).DataPoints[0]
		counts := make([]uint64, len(x.BucketCounts))
		countExplicit(counts, want)
		if x.Count != want.Count || x.Sum != want.Sum || !slices.Equal(x.BucketCounts, counts) {
			t.Errorf("%v: %+v", values, x)
		}
	}
}

func TestTheSummaryLineCollectsNoHistograms(t *testing.T) {
	table := newTable(t, &hand{}, nil, formOf(newTextMetrics(nil, epoch)))
	table.addNow(measureOf(kinds()[0], 1), measureOf(kinds()[3], 1))
	if got := collect(t, table.producers[0]); len(got) != 1 || sums(got["counter"].Data)[""] != 1 {
		t.Errorf("metrics = %v", got)
	}
}
