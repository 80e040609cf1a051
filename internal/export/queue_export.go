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
			q.lastErr = nil
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
	if err != nil {
		err = fmt.Errorf("export %d log records: %w", len(batch), err)
		q.lastErr = err
	}
	q.mu.Lock()
	q.held -= len(batch)
	q.status.enter(len(batch), err)
	dropped := q.status.Dropped[causeQueueFull]
	clear(batch) // a spare batch keeps no event alive
	q.spare = batch[:0]
	q.mu.Unlock()
	q.health.report(err)
	q.warnOfDrops(dropped)
}

// warnOfDrops says that the queue was full. It speaks from the exporting goroutine, so that a diagnostic log that
// blocks cannot hold up events.
func (q *queue) warnOfDrops(dropped uint64) {
	if dropped == q.warned || q.now().Sub(q.lastWarned) < dropReportEvery {
		return
	}
	q.health.log.Warn("log records were dropped because the queue was full", "dropped", dropped-q.warned)
	q.warned, q.lastWarned = dropped, q.now()
}
