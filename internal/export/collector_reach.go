package export

import (
	"log/slog"
	"sync"
)

// reachability is what the requests of all signals know of one collector. It tells the diagnostic log when the
// collector stops to take telemetry and when it does again, not each time.
type reachability struct {
	log *slog.Logger

	mu      sync.Mutex
	waiting bool
}

// report enters what one request found: err if it has to be tried again, nil if the collector answered.
func (r *reachability) report(err error) {
	r.mu.Lock()
	changed := r.waiting != (err != nil)
	r.waiting = err != nil
	r.mu.Unlock()
	switch {
	case changed && err != nil:
		r.log.Warn("waiting for the collector", "error", err)
	case changed:
		r.log.Info("the collector takes telemetry again")
	}
}

// isWaiting tells whether the last request found nobody. Without a collector there is nobody to wait for.
func (r *reachability) isWaiting() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting
}
