package live

import (
	"fmt"
	"strings"

	"github.com/kerntap/kerntap/internal/api"
)

// losses remembers how much was not recorded, by cause.
type losses struct {
	known bool
	last  [len(lossNames)]uint64
}

var lossNames = [...]string{"throttled", "lost", "missed", "dropped", "undecodable"}

// since says how much was not recorded since it was last asked; "" for nothing, and the first time.
func (l *losses) since(programs []api.Program) string {
	var now [len(lossNames)]uint64
	for i := range programs {
		c := &programs[i].Counters
		for j, n := range [...]uint64{c.Throttled, c.Lost, c.Missed, c.Dropped, c.Undecodable} {
			now[j] += n
		}
	}
	var parts []string
	var total uint64
	for i, n := range now {
		if l.known && n > l.last[i] {
			total += n - l.last[i]
			parts = append(parts, fmt.Sprintf("%s %d", lossNames[i], n-l.last[i]))
		}
	}
	l.known, l.last = true, now
	if total == 0 {
		return ""
	}
	return fmt.Sprintf("%d more events have no record (%s)", total, strings.Join(parts, ", "))
}
