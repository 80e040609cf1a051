package footprint

import (
	"runtime/debug"
	"testing"
)

// settings returns what holds at the moment.
func settings() (percent int, limit int64) {
	percent = debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	return percent, debug.SetMemoryLimit(-1)
}

func TestTheEnvironmentWins(t *testing.T) {
	wasPercent, wasLimit := settings()
	const events = 1000
	for _, test := range []struct {
		name    string
		environ []string
		percent int
		limit   int64
	}{
		{"nothing is set", nil, garbage, work + event*events},
		{"unrelated", []string{"GODEBUG=x", "GOGCX=1", "="}, garbage, work + event*events},
		{"empty", []string{"GOGC=", "GOMEMLIMIT="}, garbage, work + event*events},
		{"GOGC", []string{"GOGC=50"}, wasPercent, work + event*events},
		{"GOMEMLIMIT", []string{"GOMEMLIMIT=1GiB"}, garbage, wasLimit},
		{"both", []string{"GOGC=off", "GOMEMLIMIT=off"}, wasPercent, wasLimit},
	} {
		t.Run(test.name, func(t *testing.T) {
			restore := Bound(test.environ, events)
			percent, limit := settings()
			restore()
			if percent != test.percent || limit != test.limit {
				t.Errorf("%d %% and %d bytes, want %d %% and %d", percent, limit, test.percent, test.limit)
			}
			if percent, limit := settings(); percent != wasPercent || limit != wasLimit {
				t.Errorf("afterwards %d %% and %d bytes, before %d %% and %d", percent, limit, wasPercent, wasLimit)
			}
		})
	}
}
