package export

import (
	"cmp"
	"slices"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// logRoute is how log records reach a destination.
type logRoute struct {
	name     string
	exporter sdklog.Exporter
	interval time.Duration
	batch    int // the most records of an export, 0 for maxBatch
}

// redirect has what is not exported yet go another way. An export under way is interrupted if it does not end soon, and
// what it has not delivered goes there first.
func (q *queue) redirect(d destination) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next != nil {
		closeUnused(q.next.exporter)
	}
	q.next = &logRoute{d.name, d.logs, d.logInterval, d.logBatch}
	interrupt(q.cancel)
	notify(q.redirected)
}

// follow takes the way that the queue was redirected to, if it was.
func (q *queue) follow() {
	q.mu.Lock()
	next := q.next
	q.next = nil
	q.mu.Unlock()
	if next == nil {
		return
	}
	closeUnused(q.route.exporter)
	q.take(*next)
}

func (q *queue) take(route logRoute) {
	q.route = route
	q.health = health{log: q.log.With("destination", route.name, "signal", "logs")}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.batch = min(cmp.Or(route.batch, maxBatch), q.limit)
	q.hurry = func() {}
	if e, ok := route.exporter.(interface{ Hurry() }); ok {
		q.hurry = e.Hurry
	}
}

// putBack has the last n events of a batch exported once more, before all others. The caller holds the lock.
func (q *queue) putBack(batch []pending, n int) {
	if n > 0 {
		q.full = slices.Insert(q.full, 0, slices.Clone(batch[len(batch)-n:]))
	}
}
