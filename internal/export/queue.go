package export

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/sdk/resource"
)

// maxBatch is the most records of one export unless the destination says otherwise.
const maxBatch = 512

// queue holds a bounded number of events for one destination, exports their log records and knows what became of each.
// It stands in for the SDK's BatchProcessor, which overwrites its oldest record without a word, loses the rest of a
// flush that runs out of time uncounted, and holds records, which are made in the goroutine that emits them.
type queue struct {
	limit int
	now   func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	batch   int
	filling []pending
	full    [][]pending // oldest first
	spare   []pending   // an empty batch to fill next
	held    int         // in filling, in full, and in the export under way
	closed  bool
	status  LogStatus
	next    *logRoute               // to take from now on, nil if there is none
	cancel  context.CancelCauseFunc // of the export under way
	hurry   func()                  // has the export under way not wait between attempts

	wake       chan struct{} // a batch is full
	redirected chan struct{} // next is there
	dropping   chan struct{} // something was dropped
	stop       chan struct{}
	done       chan struct{}
	warning    sync.WaitGroup
	// ctx lives as long as exports may go on: until the time of Shutdown is over.
	ctx context.Context
	end context.CancelFunc

	// What follows belongs to the exporting goroutine; err may be read once done is closed.
	maker   *recordMaker
	route   logRoute
	health  health
	lastErr error
	err     error
}

// newQueue starts to export what is added, each record after interval at the latest. Shutdown ends it.
func newQueue(d destination, o Options, res *resource.Resource) *queue {
	ctx, end := context.WithCancel(context.Background())
	q := &queue{
		limit:      o.QueueSize,
		now:        o.now,
		log:        o.Log,
		status:     LogStatus{Dropped: map[string]uint64{}, Failed: map[string]uint64{}},
		wake:       make(chan struct{}, 1),
		redirected: make(chan struct{}, 1),
		dropping:   make(chan struct{}, 1),
		stop:       make(chan struct{}),
		done:       make(chan struct{}),
		ctx:        ctx,
		end:        end,
		maker:      newRecordMaker(o, res),
	}
	q.take(logRoute{d.name, d.logs, d.logInterval, d.logBatch})
	q.warning.Go(q.warnOfDrops)
	go q.run()
	return q
}

// add takes an event. Without room for it the oldest one leaves that is not on its way yet, and is counted as dropped:
// whoever looks at an outage that has lasted for long wants to know how it is now. It never waits for an export.
func (q *queue) add(p pending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.status.Emitted++
	if q.closed {
		q.status.Dropped[causeShutdown]++
		return
	}
	if q.held >= q.limit {
		q.status.Dropped[causeQueueFull]++
		notify(q.dropping)
		if !q.forgetOldest() {
			return
		}
	}
	if q.filling == nil {
		q.filling, q.spare = q.spare, nil
	}
	if q.filling == nil {
		q.filling = make([]pending, 0, q.batch)
	}
	q.filling = append(q.filling, p)
	q.held++
	if len(q.filling) >= q.batch {
		q.full = append(q.full, q.filling)
		q.filling = nil
		notify(q.wake)
	}
}

// notify leaves a message for whoever reads the channel, unless one waits there already.
func notify(channel chan<- struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}

// forgetOldest lets the oldest event go that is not on its way, and returns false if all of them are.
func (q *queue) forgetOldest() bool {
	oldest := &q.filling
	if len(q.full) > 0 {
		oldest = &q.full[0]
	}
	if len(*oldest) == 0 {
		return false
	}
	(*oldest)[0] = pending{}
	*oldest = (*oldest)[1:]
	q.held--
	if len(q.full) > 0 && len(q.full[0]) == 0 {
		q.full = slices.Delete(q.full, 0, 1)
	}
	return true
}

// Status returns the counts of this moment.
func (q *queue) Status() LogStatus {
	q.mu.Lock()
	defer q.mu.Unlock()
	status := q.status.clone()
	status.Queued = uint64(q.held)
	return status
}

// Shutdown takes no more events and exports what it holds. When ctx ends first, it cancels the exports and returns;
// what was not exported is counted as failed as soon as the exporter lets go of it. An export that waits for its next
// attempt makes it at once.
func (q *queue) Shutdown(ctx context.Context) error {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.stop)
		q.hurry()
	}
	q.mu.Unlock()
	select {
	case <-q.done:
		return q.err
	case <-ctx.Done():
		q.end()
		return fmt.Errorf("flush %d log records: %w", q.Status().Queued, context.Cause(ctx))
	}
}
