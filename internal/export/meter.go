package export

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// maxSeries is the most series an instrument has for one reader; what exceeds it is counted in the series that
// otel.metric.overflow marks.
const maxSeries = 2000

// newMeterProvider reads every metric for the exposition and for each destination, each with its own temporality.
func newMeterProvider(o Options, res *resource.Resource, exposition sdkmetric.Reader,
	exporters []*metricExporter) *sdkmetric.MeterProvider {
	options := []sdkmetric.Option{
		sdkmetric.WithResource(res),
		sdkmetric.WithReader(exposition),
		sdkmetric.WithCardinalityLimit(maxSeries),
		// Events carry no trace, so exemplars would say nothing and double the memory of a series.
		sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter),
	}
	for _, e := range exporters {
		reader := sdkmetric.NewPeriodicReader(e, sdkmetric.WithInterval(o.MetricInterval),
			sdkmetric.WithTimeout(o.MetricTimeout))
		options = append(options, sdkmetric.WithReader(reader))
	}
	return sdkmetric.NewMeterProvider(options...)
}

// newExposition returns a reader and the handler that shows what it reads to Prometheus.
func newExposition() (sdkmetric.Reader, http.Handler, error) {
	registry := prometheus.NewRegistry()
	reader, err := otelprom.New(
		otelprom.WithRegisterer(registry),
		otelprom.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes),
		otelprom.WithoutScopeInfo(), // there is one scope; its labels would stand on every series
	)
	if err != nil {
		return nil, nil, fmt.Errorf("make the prometheus exposition: %w", err)
	}
	return reader, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), nil
}

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
	err := e.Exporter.Export(ctx, metrics)
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
