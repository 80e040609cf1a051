package export

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"
)

// newMeterProvider has the instruments of self-telemetry read by all readers.
func newMeterProvider(res *resource.Resource, readers ...sdkmetric.Reader) *sdkmetric.MeterProvider {
	options := []sdkmetric.Option{
		sdkmetric.WithResource(res),
		// Self-telemetry carries no trace, so exemplars would say nothing.
		sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter),
	}
	for _, reader := range readers {
		options = append(options, sdkmetric.WithReader(reader))
	}
	return sdkmetric.NewMeterProvider(options...)
}

// newPeriodicReader exports self-telemetry and what the producer returns, again and again.
func newPeriodicReader(o Options, exporter sdkmetric.Exporter, series sdkmetric.Producer) sdkmetric.Reader {
	return sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithInterval(o.MetricInterval),
		sdkmetric.WithTimeout(o.MetricTimeout), sdkmetric.WithProducer(series))
}

// newExposition returns a reader and the handler that shows what it and the producer read to Prometheus.
func newExposition(series sdkmetric.Producer) (sdkmetric.Reader, http.Handler, error) {
	registry := prometheus.NewRegistry()
	reader, err := otelprom.New(
		otelprom.WithRegisterer(registry),
		otelprom.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes),
		otelprom.WithoutScopeInfo(), // there is one scope; its labels would stand on every series
		otelprom.WithProducer(series),
	)
	if err != nil {
		return nil, nil, fmt.Errorf("make the prometheus exposition: %w", err)
	}
	return reader, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), nil
}
