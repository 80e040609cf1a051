package export

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// counts are numbers of things by name.
type counts map[string]int64

// add counts n things of a name, or of another one where none is known.
func (c counts) add(name, unnamed string, n int64) {
	if n != 0 {
		c[cmp.Or(name, unnamed)] += n
	}
}

func (c counts) total() int64 {
	var sum int64
	for _, n := range c {
		sum += n
	}
	return sum
}

// top returns the n largest as "refused 2, timed_out 1", and how many things the others are.
func (c counts) top(n int) string {
	names := slices.SortedFunc(maps.Keys(c), func(a, b string) int {
		return cmp.Or(cmp.Compare(c[b], c[a]), cmp.Compare(a, b))
	})
	shown, rest := make([]string, 0, n+1), c.total()
	for _, name := range names[:min(n, len(names))] {
		shown = append(shown, fmt.Sprintf("%s %d", printable(name), c[name]))
		rest -= c[name]
	}
	if rest > 0 {
		shown = append(shown, fmt.Sprintf("others %d", rest))
	}
	return strings.Join(shown, ", ")
}
