package telemetry

import "math"

// The buckets of a Distribution are those of OTLP's exponential histograms at scale 2 (OpenTelemetry metrics data
// model, "ExponentialHistogram"): each reaches a factor of 2^(1/4) further than the one before, and every fourth bound
// is a power of two, so that explicit buckets with such bounds can be made of them exactly.
const (
	BucketScale = 2
	// FirstBucket is OTLP's index of the first bucket: it lies above 2^-20, a microsecond where the unit is seconds.
	FirstBucket = -80
	// BucketCount buckets reach up to 2^26: two years. The last one holds what is larger, too.
	BucketCount = 184
)

// Distribution is how a number of values are distributed. Bounds belong to the bucket below them.
type Distribution struct {
	Count uint64
	// Sum is the sum of the values in the metric's unit.
	Sum float64
	// Zero counts the values up to ZeroThreshold, Buckets those above.
	Zero    uint64
	Buckets [BucketCount]uint64
}

// Add adds what other holds.
func (d *Distribution) Add(other *Distribution) {
	d.Count += other.Count
	d.Sum += other.Sum
	d.Zero += other.Zero
	for i, n := range other.Buckets {
		d.Buckets[i] += n
	}
}

// ZeroThreshold is the upper bound of what a Distribution counts as zero.
func ZeroThreshold() float64 { return bound(FirstBucket) }

// UpperBound returns the upper bound of a bucket.
func UpperBound(bucket int) float64 { return bound(FirstBucket + bucket + 1) }

// bound is 2^(index/4). Powers of two are exact.
func bound(index int) float64 {
	steps := 1 << BucketScale
	whole, part := index>>BucketScale, index&(steps-1)
	return math.Ldexp(math.Exp2(float64(part)/float64(steps)), whole)
}
