// Package footprint trades memory for processor time: it says how much garbage the runtime lets lie before it collects.
//
// Its law: whoever runs kerntap decides. What GOGC or GOMEMLIMIT say is left as it is.
package footprint

import (
	"runtime/debug"
	"slices"
	"strings"
)

const (
	// garbage is how much may lie, in percent of what is alive. A log record is a hundred small objects on its way to a
	// collector and none afterwards, so at 30,000 a second the runtime's own 100 has it collect all the time.
	garbage = 200
	// work is the room for all else: the kernel's symbols, series of metrics (up to 10 MiB), batches of log records on
	// their way, and garbage. A limit that what is alive comes close to would have the runtime collect without end.
	work = 40 << 20
	// event is the most that an event takes that is kept, with its place in what keeps it.
	event = 256
)

// Bound lets garbage grow, up to a soft limit with room for as many events as may be kept: near it the runtime collects
// more often instead. The settings hold for the whole process; restore brings back those from before.
func Bound(environ []string, events int) (restore func()) {
	percent, limit := garbage, int64(work+event*events)
	if !isSet(environ, "GOGC") {
		percent = debug.SetGCPercent(percent)
	}
	if !isSet(environ, "GOMEMLIMIT") {
		limit = debug.SetMemoryLimit(limit)
	}
	return func() {
		if !isSet(environ, "GOGC") {
			debug.SetGCPercent(percent)
		}
		if !isSet(environ, "GOMEMLIMIT") {
			debug.SetMemoryLimit(limit)
		}
	}
}

func isSet(environ []string, name string) bool {
	return slices.ContainsFunc(environ, func(variable string) bool {
		set, value, _ := strings.Cut(variable, "=")
		return set == name && value != "" // the runtime takes an empty one for none
	})
}

// Trim gives back to the system what is not in use. It takes some milliseconds, so it is for once something big is over.
func Trim() { debug.FreeOSMemory() }
