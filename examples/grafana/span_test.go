package main

import (
	"math"
	"time"
)

// span is where a value must lie, both ends included.
type span struct{ least, most float64 }

var (
	some   = span{math.SmallestNonzeroFloat64, math.Inf(1)}
	exists = span{math.Inf(-1), math.Inf(1)}
)

// about is the span of what was counted: Prometheus extends what it saw to the ends of the window, by up to half the time
// between two looks.
func about(value float64) span { return span{value * 0.9, value * 1.25} }

// each is how many a second n of each round are.
func each(n float64) span { return about(n * rounds / window) }

// ofSegments is a share, in percent, of what is sent in a round: so many segments at least, if each says no more than it
// must, and at most, if each is answered by itself.
func ofSegments(n, least, most float64) span { return span{100 * n / most, 100 * n / least} }

// bucketOf is the span of a quantile of times of which each was at least this long. A quantile tells in which bucket of the
// histogram they lie and no more, and a bucket ends at twice what it begins at, a power of two of seconds. A time just above
// such a bound is caused best: much shorter ones are told from it, and a busy machine may add almost as much again.
func bucketOf(caused time.Duration) span {
	most := math.Exp2(math.Ceil(math.Log2(caused.Seconds())))
	return span{math.Nextafter(most/2, most), most}
}
