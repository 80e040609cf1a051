package export

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// dropReportEvery is the shortest time between two warnings of dropped records.
const dropReportEvery = time.Minute

// run exports until stop.
func (q *queue) run() {
	defer close(q.done)
	defer q.warning.Wait()
	defer q.end()
	ticker := time.NewTicker(q.route.interval)
	defer ticker.Stop()
	for {
		select {
		case <-q.wake:
			q.exportHeld(false)
		case <-ticker.C:
			q.exportHeld(true)
		case <-q.redirected:
			q.exportHeld(true)
			ticker.Reset(q.route.interval)
		case <-q.stop:
			q.exportHeld(true)
			q.err = errors.Join(q.lastErr, q.route.exporter.Shutdown(q.ctx))
			return
		}
	}
}

// exportHeld exports the full batches and, if partial, the one being filled at the end of them.
func (q *queue) exportHeld(partial bool) {
	for {
		q.follow()
		batch, full := q.pop(partial)
		if len(batch) == 0 {
			return
		}
		if q.export(batch) && !full {
			return
		}
	}
}

// pop returns the oldest batch and whether it is a full one.
func (q *queue) pop(partial bool) (batch []pending, full bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.full) > 0 {
		batch = q.full[0]
		q.full = slices.Delete(q.full, 0, 1)
		return batch, true
	}
	if partial {
		batch, q.filling = q.filling, nil
	}
	return batch, false
}

// export tries one batch and enters the result. It returns false if some of it is to be tried again, elsewhere.
func (q *queue) export(batch []pending) bool {
	ctx, cancel := context.WithCancelCause(q.ctx)
	defer cancel(nil)
	q.mu.Lock()
	if q.cancel = cancel; q.next != nil {
		cancel(errRedirected)
	}
	q.mu.Unlock()
	left, err := undecided(q.route.exporter.Export(ctx, q.maker.records(batch)))
	q.maker.forget()
	if err != nil {
		err = fmt.Errorf("export %d log records: %w", len(batch)-left, err)
	}
	q.mu.Lock()
	if err != nil && q.closed { // what failed before the end has been told
		q.lastErr = err
	}
	q.held -= len(batch) - left
	q.status.enter(len(batch)-left, err)
	q.putBack(batch, left)
	clear(batch) // a spare batch keeps no event alive
	q.spare, q.cancel = batch[:0], nil
	q.mu.Unlock()
	q.health.report(err)
	return left == 0
}

// warnOfDrops says that the queue was full, once a minute at most, until the queue stops. It has a goroutine of its own:
// the exporting one may be the reason, stuck in a write, and the one that adds must not wait for a diagnostic log.
func (q *queue) warnOfDrops() {
	var warned uint64
	for {
		select {
		case <-q.dropping:
		case <-q.stop:
			return
		}
		dropped := q.Status().Dropped[causeQueueFull]
		q.health.log.Warn("log records were dropped because the queue was full", "dropped", dropped-warned)
		warned = dropped
		select {
		case <-time.After(dropReportEvery):
		case <-q.stop:
			return
		}
	}
}
