package export

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Shutdown exports everything that is pending, log records before one last time the metrics, and stops the pipeline.
// Events handled from now on are counted as dropped. It may be called any number of times; all calls return once the
// pipeline has stopped, or when their context ends. Then an export that its destination never lets go of, a write to
// a pipe that nobody reads for example, goes on in the background: it cannot be taken back.
//
// The error tells of log records that were not exported, and of a console that could not be written. Metrics that a
// collector does not take are no more than a warning in the diagnostic log: most often it has no pipeline for them.
func (p *Pipeline) Shutdown(ctx context.Context) error {
	p.stop.Do(func() {
		go func() {
			defer close(p.stopped)
			p.logsErr = p.flushLogs(ctx)
			close(p.flushed)
			p.err = errors.Join(p.logsErr, p.stopMetrics(ctx))
		}()
	})
	select {
	case <-p.stopped:
		return p.err
	case <-ctx.Done():
	}
	select {
	case <-p.flushed:
		return p.logsErr
	default:
		return fmt.Errorf("stop the export: %w", context.Cause(ctx))
	}
}

// flushLogs ends log records first, so that the last metrics tell what became of them. It leaves metrics a part of the
// time, so that a collector that does not take logs any more does not cost them.
func (p *Pipeline) flushLogs(ctx context.Context) error {
	ctx, cancel := partOf(ctx, 0.7)
	defer cancel()
	outlets := p.destinations()
	errs := make([]error, len(outlets))
	var flushes sync.WaitGroup
	for i, out := range outlets {
		if out.logs != nil {
			flushes.Go(func() { errs[i] = out.logs.Shutdown(ctx) })
		}
	}
	flushes.Wait()
	return errors.Join(errs...)
}

// stopMetrics exports the metrics one last time. It returns the errors of consoles; of collectors the diagnostic log has
// been told already, once.
func (p *Pipeline) stopMetrics(ctx context.Context) error {
	ctx, cancel := partOf(ctx, 0.9)
	defer cancel()
	outlets := p.destinations()
	var exports sync.WaitGroup
	for _, out := range outlets {
		if out.metrics != nil {
			exports.Go(func() { out.metrics.Shutdown(ctx) })
		}
	}
	exports.Wait()
	if err := p.meters.Shutdown(ctx); err != nil {
		p.log.Debug("metrics did not stop in order", "error", err)
	}
	var errs []error
	for _, out := range outlets {
		if out.reach == nil {
			errs = append(errs, out.metricsErr())
		}
	}
	return errors.Join(errs...)
}

// partOf returns a context that ends after a part of the time that ctx leaves.
func partOf(ctx context.Context, part float64) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Duration(part*float64(time.Until(deadline))))
}
