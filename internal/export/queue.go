package export

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
)

// maxBatch is the most records of one export unless the destination says otherwise.
const maxBatch = 512

// queue holds a bounded number of events for one destination, exports their log records and knows what became of each.
// It stands in for the SDK's BatchProcessor, which overwrites its oldest record without a word, loses the rest of a
// flush that runs out of time uncounted, and holds records, which are made in the goroutine that emits them.
type queue struct {
	exporter sdklog.Exporter
	limit    int
	batch    int
	now      func() time.Time

	mu      sync.Mutex
	filling []pending
	full    [][]pending // oldest first
	spare   []pending   // an empty batch to fill next
	held    int         // in filling, in full, and in the export under way
	closed  bool
	status  LogStatus

	wake     chan struct{} // a batch is full
	dropping chan struct{} // something was dropped
	stop     chan struct{}
	done     chan struct{}
	warning  sync.WaitGroup
	// ctx lives as long as exports may go on: until the time of Shutdown is over.
	ctx    context.Context
	cancel context.CancelFunc

	// What follows belongs to the exporting goroutine; err may be read once done is closed.
	maker   *recordMaker
	health  health
	lastErr error
	err     error
}

// newQueue starts to export what is added, each record after interval at the latest. Shutdown ends it.
func newQueue(d destination, o Options, res *resource.Resource) *queue {
	ctx, cancel := context.WithCancel(context.Background())
	q := &queue{
		exporter: d.logs,
		limit:    o.QueueSize,
		batch:    min(cmp.Or(d.logBatch, maxBatch), o.QueueSize),
		now:      o.now,
		status:   LogStatus{Dropped: map[string]uint64{}, Failed: map[string]uint64{}},
		wake:     make(chan struct{}, 1),
		dropping: make(chan struct{}, 1),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
		ctx:      ctx,
		cancel:   cancel,
		maker:    newRecordMaker(o, res),
		health:   health{log: o.Log.With("destination", d.name, "signal", "logs")},
	}
	q.warning.Go(q.warnOfDrops)
	go q.run(d.logInterval)
	return q
}

// add takes an event or counts its record as dropped. It never waits for an export.
func (q *queue) add(p pending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.status.Emitted++
	if cause := q.refusal(); cause != "" {
		q.status.Dropped[cause]++
		notify(q.dropping)
		return
	}
	if q.filling == nil {
		q.filling, q.spare = q.spare, nil
	}
	if q.filling == nil {
		q.filling = make([]pending, 0, q.batch)
	}
	q.filling = append(q.filling, p)
	q.held++
	if len(q.filling) == q.batch {
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

// refusal says why an event added now would be dropped, and "" if it would not.
func (q *queue) refusal() string {
	switch {
	case q.closed:
		return causeShutdown
	case q.held >= q.limit:
		return causeQueueFull
	}
	return ""
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
// what was not exported is counted as failed as soon as the exporter lets go of it.
func (q *queue) Shutdown(ctx context.Context) error {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.stop)
	}
	q.mu.Unlock()
	select {
	case <-q.done:
		return q.err
	case <-ctx.Done():
		q.cancel()
		return fmt.Errorf("flush %d log records: %w", q.Status().Queued, context.Cause(ctx))
	}
}
