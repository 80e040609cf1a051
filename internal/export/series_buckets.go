package export

import (
	"math"
	"slices"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// The upper bounds of explicit buckets are the powers of two from 2^-17 s (7.6 µs, less than a connect over loopback
// takes) to 2^12 s (68 minutes). Each is the bound of a bucket of a Distribution too, so that both forms are made of
// one exactly.
const (
	minDurationExponent = -17
	maxDurationExponent = 12
)

// powerOfTwo returns the number of buckets of a Distribution below 2^exponent: four for each power of two.
func powerOfTwo(exponent int) int { return exponent<<telemetry.BucketScale - telemetry.FirstBucket }

// countExplicit counts in one bucket more than there are bounds.
func countExplicit(counts []uint64, d *telemetry.Distribution) {
	from := 0
	for i := range counts {
		to := telemetry.BucketCount // of the last bucket, which has no upper bound
		if i < len(counts)-1 {
			to = powerOfTwo(minDurationExponent + i)
		}
		for _, n := range d.Buckets[from:to] {
			counts[i] += n
		}
		from = to
	}
	counts[0] += d.Zero
}

// trimmed returns the buckets from the first to the last that hold something.
func trimmed(d *telemetry.Distribution) metricdata.ExponentialBucket {
	first, last := 0, len(d.Buckets)
	for first < last && d.Buckets[first] == 0 {
		first++
	}
	if first == last {
		return metricdata.ExponentialBucket{}
	}
	for d.Buckets[last-1] == 0 {
		last--
	}
	return metricdata.ExponentialBucket{
		Offset: int32(telemetry.FirstBucket + first), Counts: slices.Clone(d.Buckets[first:last])}
}

func durationBounds() []float64 {
	bounds := make([]float64, 0, maxDurationExponent-minDurationExponent+1)
	for exponent := minDurationExponent; exponent <= maxDurationExponent; exponent++ {
		bounds = append(bounds, math.Ldexp(1, exponent))
	}
	return bounds
}
