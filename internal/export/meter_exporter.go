package export

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// metricExporter counts what became of another exporter's exports. It keeps failures from the SDK, which would send
// them to the process-wide error handler.
type metricExporter struct {
	sdkmetric.Exporter
	health health

	mu     sync.Mutex
	status MetricStatus
	last   error
}

func newMetricExporter(d destination, o Options) *metricExporter {
	return &metricExporter{
		Exporter: d.metrics,
		health:   health{log: o.Log.With("destination", d.name, "signal", "metrics"), reach: d.reach},
		status:   MetricStatus{Failed: map[string]uint64{}},
	}
}

// Export exports and enters the result. It always returns nil.
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
	e.health.report(err)
	return nil
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
