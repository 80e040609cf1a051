package export

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// metricExporter counts what became of another exporter's exports and tells the producer of their series what need not
// be told again. It keeps failures from the SDK, which would send them to the process-wide error handler.
type metricExporter struct {
	sdkmetric.Exporter
	series *producer
	health health

	mu     sync.Mutex
	status MetricStatus
	last   error
}

func newMetricExporter(d destination, o Options, series *producer) *metricExporter {
	return &metricExporter{
		Exporter: d.metrics,
		series:   series,
		health:   health{log: o.Log.With("destination", d.name, "signal", "metrics"), reach: d.reach},
		status:   MetricStatus{Failed: map[string]uint64{}},
	}
}

// Export exports and enters the result. It always returns nil. What it exports is the producer's last collection, as
// the reader collects and exports by turns.
func (e *metricExporter) Export(ctx context.Context, metrics *metricdata.ResourceMetrics) error {
	err := e.Exporter.Export(ctx, oneScope(metrics))
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
	if settled(err) {
		e.series.acknowledge()
	}
	e.health.report(err)
	return nil
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

// oneScope joins the metrics of one scope. A reader appends what a producer returns as a scope of its own, although
// the SDK's instruments have the same.
func oneScope(metrics *metricdata.ResourceMetrics) *metricdata.ResourceMetrics {
	joined := &metricdata.ResourceMetrics{Resource: metrics.Resource}
	for _, scope := range metrics.ScopeMetrics {
		i := slices.IndexFunc(joined.ScopeMetrics, func(known metricdata.ScopeMetrics) bool {
			return sameScope(known.Scope, scope.Scope)
		})
		if i < 0 {
			joined.ScopeMetrics = append(joined.ScopeMetrics, scope)
			continue
		}
		known := &joined.ScopeMetrics[i]
		known.Metrics = slices.Concat(known.Metrics, scope.Metrics)
	}
	return joined
}

func sameScope(a, b instrumentation.Scope) bool {
	return a.Name == b.Name && a.Version == b.Version && a.SchemaURL == b.SchemaURL && a.Attributes.Equals(&b.Attributes)
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
