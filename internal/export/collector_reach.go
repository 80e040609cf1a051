package export

import (
	"log/slog"
	"sync"
)

// reachability is what the requests of all signals know of one collector. It tells the diagnostic log when the
// collector stops to take a signal, and when it takes all of them again: not each time, and not once a signal.
type reachability struct {
	log *slog.Logger

	mu      sync.Mutex
	waiting map[*requests]bool // whose last request has to be tried again
}

// report enters what one request found: err if it has to be tried again, nil if the collector answered.
func (r *reachability) report(who *requests, err error) {
	r.mu.Lock()
	before := len(r.waiting)
	if err == nil {
		delete(r.waiting, who)
	} else {
		if r.waiting == nil {
			r.waiting = make(map[*requests]bool)
		}
		r.waiting[who] = true
	}
	after := len(r.waiting)
	r.mu.Unlock()
	switch {
	case before == 0 && after > 0:
		r.log.Warn("waiting for the collector", "error", err)
	case before > 0 && after == 0:
		r.log.Info("the collector takes telemetry again")
	}
}

// isWaiting tells whether the last request of a signal found nobody. Without a collector there is nobody to wait for.
func (r *reachability) isWaiting() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting) > 0
}
