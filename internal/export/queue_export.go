package export

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// dropReportEvery is the shortest time between two warnings of dropped records.
const dropReportEvery = time.Minute

// run exports until stop.
func (q *queue) run(interval time.Duration) {
	defer close(q.done)
	defer q.warning.Wait()
	defer q.cancel()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-q.wake:
			q.exportHeld(false)
		case <-ticker.C:
			q.exportHeld(true)
		case <-q.stop:
			q.exportHeld(true)
			q.err = errors.Join(q.lastErr, q.exporter.Shutdown(q.ctx))
			return
		}
	}
}

// exportHeld exports the full batches and, if partial, the one being filled at the end of them.
func (q *queue) exportHeld(partial bool) {
	for {
		batch, full := q.take(partial)
		if len(batch) == 0 {
			return
		}
		q.export(batch)
		if !full {
			return
		}
	}
}

// take returns the oldest batch and whether it is a full one.
func (q *queue) take(partial bool) (batch []pending, full bool) {
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

// export tries one batch and enters the result.
func (q *queue) export(batch []pending) {
	err := q.exporter.Export(q.ctx, q.maker.records(batch))
	q.maker.forget()
	if err != nil {
		err = fmt.Errorf("export %d log records: %w", len(batch), err)
	}
	q.mu.Lock()
	if err != nil && q.closed { // what failed before the end has been told
		q.lastErr = err
	}
	q.held -= len(batch)
	q.status.enter(len(batch), err)
	clear(batch) // a spare batch keeps no event alive
	q.spare = batch[:0]
	q.mu.Unlock()
	q.health.report(err)
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
