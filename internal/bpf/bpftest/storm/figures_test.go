package storm

import (
	"fmt"
	"slices"
)

// figures are what the rounds measured of one thing.
type figures []float64

// median returns what half of the rounds did not exceed.
func (f figures) median() float64 {
	sorted := slices.Sorted(slices.Values(f))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// line prints the median, the extremes and, where there is one, what the bar allows at most.
func (f figures) line(what, form string, atMost ...float64) {
	show := func(v float64) string { return fmt.Sprintf(form, v) }
	fmt.Printf("  %-46s %12s   (%s to %s)", what, show(f.median()), show(slices.Min(f)), show(slices.Max(f)))
	for _, bar := range atMost {
		met := "met"
		if f.median() > bar {
			met = "NOT met"
		}
		fmt.Printf("   bar: at most %s: %s", show(bar), met)
	}
	fmt.Println()
}

// fewer is how much less each round had of something with what watches it than without, in percent.
func fewer(with, without figures) (percent figures) {
	for i := range with {
		percent = append(percent, 100*(1-with[i]/without[i]))
	}
	return percent
}

// times is how much more each round had of one thing than of the other.
func times(one, other figures) (ratio figures) {
	for i := range one {
		ratio = append(ratio, one[i]/other[i])
	}
	return ratio
}
