package export

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// maxBatch is the most records of one export.
const maxBatch = 512

// queue is the log records' processor for one destination: it holds a bounded number of them and knows what became of
// each. It stands in for the SDK's BatchProcessor, which overwrites its oldest record without a word, loses the rest
// of a flush that runs out of time uncounted, and allocates its whole queue beforehand (40 MB for 65,536 records).
type queue struct {
	exporter sdklog.Exporter
	limit    int
	batch    int
	now      func() time.Time

	mu      sync.Mutex
	filling []sdklog.Record
	full    [][]sdklog.Record // oldest first
	spare   []sdklog.Record   // an empty batch to fill next
	held    int               // in filling, in full, and in the export under way
	closed  bool
	status  LogStatus

	wake  chan struct{}      // a batch is full
	flush chan chan struct{} // closed in answer when everything was tried
	stop  chan struct{}
	done  chan struct{}
	// ctx lives as long as exports may go on: until the time of Shutdown is over.
	ctx    context.Context
	cancel context.CancelFunc

	// What follows belongs to the exporting goroutine; err may be read once done is closed.
	health     health
	lastErr    error
	warned     uint64
	lastWarned time.Time
	err        error
}

var _ sdklog.Processor = (*queue)(nil)

// newQueue starts to export what is emitted, each record after interval at the latest. Shutdown ends it.
func newQueue(d destination, o Options) *queue {
	ctx, cancel := context.WithCancel(context.Background())
	q := &queue{
		exporter: d.logs,
		limit:    o.QueueSize,
		batch:    min(maxBatch, o.QueueSize),
		now:      o.now,
		status:   LogStatus{Dropped: map[string]uint64{}, Failed: map[string]uint64{}},
		wake:     make(chan struct{}, 1),
		flush:    make(chan chan struct{}),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
		ctx:      ctx,
		cancel:   cancel,
		health:   health{log: o.Log.With("destination", d.name, "signal", "logs")},
	}
	go q.run(d.logInterval)
	return q
}

// Enabled tells whether a record emitted now would be taken.
func (q *queue) Enabled(context.Context, sdklog.EnabledParameters) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.refusal() == ""
}

// OnEmit takes a record or counts it as dropped. It never waits for an export. The copy is shallow: every processor
// of the provider is a queue, and none changes a record.
func (q *queue) OnEmit(_ context.Context, r *sdklog.Record) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.status.Emitted++
	if cause := q.refusal(); cause != "" {
		q.status.Dropped[cause]++
		return nil
	}
	if q.filling == nil {
		q.filling, q.spare = q.spare, nil
	}
	if q.filling == nil {
		q.filling = make([]sdklog.Record, 0, q.batch)
	}
	q.filling = append(q.filling, *r)
	q.held++
	if len(q.filling) == q.batch {
		q.full = append(q.full, q.filling)
		q.filling = nil
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// drop counts a record that was not even made, because the queue would not have taken it.
func (q *queue) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.status.Emitted++
	// An export may have ended since the queue was asked; the record is gone all the same.
	q.status.Dropped[cmp.Or(q.refusal(), causeQueueFull)]++
}

// refusal says why a record emitted now would be dropped, and "" if it would not.
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

// ForceFlush returns when everything emitted before has been tried.
func (q *queue) ForceFlush(ctx context.Context) error {
	flushed := make(chan struct{})
	select {
	case q.flush <- flushed:
	case <-q.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-flushed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Shutdown takes no more records and exports what it holds. When ctx ends first, it cancels the exports and returns;
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
