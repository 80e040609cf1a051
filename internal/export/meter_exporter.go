package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// metricExporter brings metrics to one destination again and again, counts what became of each export, and tells the
// producer of the series what need not be told again. It stands in for the SDK's periodic reader, which hides whether an
// export arrived and cannot be sent elsewhere.
type metricExporter struct {
	series   *producer
	resource *resource.Resource
	log      *slog.Logger

	mu     sync.Mutex
	next   *metricRoute // to take from now on, nil if there is none
	cancel context.CancelCauseFunc
	status MetricStatus
	last   error

	ctx        context.Context // lives until Shutdown
	end        context.CancelCauseFunc
	redirected chan struct{}
	stopOnce   sync.Once
	stop       chan context.Context // the time that the last export has
	done       chan struct{}

	// What follows belongs to the exporting goroutine.
	route  metricRoute
	health health
}

// metricRoute is how metrics reach a destination.
type metricRoute struct {
	name              string
	exporter          sdkmetric.Exporter
	reach             *reachability
	interval, timeout time.Duration
}

func newMetricRoute(d destination, o Options) metricRoute {
	return metricRoute{d.name, d.metrics, d.reach, o.MetricInterval, o.MetricTimeout}
}

// newMetricExporter returns an exporter that start lets begin and Shutdown ends.
func newMetricExporter(d destination, o Options, series *producer, res *resource.Resource) *metricExporter {
	ctx, end := context.WithCancelCause(context.Background())
	e := &metricExporter{
		series:     series,
		resource:   res,
		log:        o.Log,
		status:     MetricStatus{Failed: map[string]uint64{}},
		ctx:        ctx,
		end:        end,
		redirected: make(chan struct{}, 1),
		stop:       make(chan context.Context, 1),
		done:       make(chan struct{}),
	}
	e.take(newMetricRoute(d, o))
	return e
}

// start begins to export, the first time after one interval.
func (e *metricExporter) start() { go e.run() }

func (e *metricExporter) take(route metricRoute) {
	e.route = route
	e.health = health{log: e.log.With("destination", route.name, "signal", "metrics"), reach: route.reach}
}

// run exports until Shutdown, and then once more.
func (e *metricExporter) run() {
	defer close(e.done)
	ticker := time.NewTicker(e.route.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			e.export(e.ctx)
		case <-e.redirected:
			e.follow()
			ticker.Reset(e.route.interval)
		case ctx := <-e.stop:
			e.follow()
			e.export(ctx)
			if err := e.route.exporter.Shutdown(ctx); err != nil {
				e.log.Debug("metrics did not stop in order", "error", err)
			}
			return
		}
	}
}

// export collects, exports and enters the result.
func (e *metricExporter) export(parent context.Context) {
	ctx, cancel := context.WithTimeout(parent, e.route.timeout)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	e.mu.Lock()
	e.cancel = stop
	redirected := e.next != nil
	e.mu.Unlock()
	if redirected {
		return
	}
	scopes, err := e.series.Produce(ctx)
	if err == nil {
		err = e.route.exporter.Export(ctx, &metricdata.ResourceMetrics{Resource: e.resource, ScopeMetrics: scopes})
	}
	if owing, ok := errors.AsType[*owingError](err); ok {
		e.series.acknowledge(owing.owed...)
	} else if settled(err) {
		e.series.acknowledge()
	}
	if err != nil && context.Cause(ctx) == errRedirected {
		return // the next one tells what this did not
	}
	e.enter(err)
}

// enter enters the result of an export.
func (e *metricExporter) enter(err error) {
	if err != nil {
		err = fmt.Errorf("export metrics: %w", err)
	}
	e.mu.Lock()
	e.last = err
	if err != nil {
		e.status.Failed[causeOf(err)]++
	} else {
		e.status.Exported++
	}
	e.mu.Unlock()
	e.health.report(err)
}

// redirect has what is exported from now on go another way. An export under way is interrupted if it does not end soon.
func (e *metricExporter) redirect(route metricRoute) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.next != nil {
		closeUnused(e.next.exporter)
	}
	e.next = &route
	interrupt(e.cancel)
	notify(e.redirected)
}

// follow takes the way that it was redirected to.
func (e *metricExporter) follow() {
	e.mu.Lock()
	next := e.next
	e.next, e.last = nil, nil
	e.mu.Unlock()
	if next == nil {
		return
	}
	closeUnused(e.route.exporter)
	e.take(*next)
}

// Shutdown exports a last time and ends. It returns when that is over, or with ctx: an export that its destination does
// not let go of goes on then.
func (e *metricExporter) Shutdown(ctx context.Context) {
	e.stopOnce.Do(func() {
		e.stop <- ctx
		e.end(context.Canceled)
	})
	select {
	case <-e.done:
	case <-ctx.Done():
	}
}

// settled tells whether an export need not be made up for: the destination took it, or answered that it never will, to
// these points or to any metrics. To send them again would get the same answer, with requests that grow, and series
// that wait for another one would fill the table for good. Who cannot be reached, is overloaded or does not accept the
// credentials has decided nothing on what it was sent.
func settled(err error) bool {
	if err == nil {
		return true
	}
	switch causeOf(err) {
	case causeRejected, "400", "404", "413", "invalid_argument", "unimplemented":
		return true
	case "resource_exhausted": // too large; if the collector had asked for patience, the time would have run out
		return !errors.Is(err, context.DeadlineExceeded)
	}
	return false
}

// Status returns the counts of this moment.
func (e *metricExporter) Status() MetricStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status.clone()
}

// lastErr returns what became of the last export.
func (e *metricExporter) lastErr() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}
