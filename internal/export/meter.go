package export

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	machine "github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

// newMeterProvider has a reader read what its producer returns; there are no instruments. Only a provider says of whom
// the reader tells.
func newMeterProvider(res *resource.Resource, reader sdkmetric.Reader) *sdkmetric.MeterProvider {
	return sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(reader))
}

// newExposition returns a reader and the handler that shows what the producer reads to Prometheus.
func newExposition(series sdkmetric.Producer) (sdkmetric.Reader, http.Handler, error) {
	registry := prometheus.NewRegistry()
	// What kerntap itself takes of the machine, as Prometheus' own libraries tell it of every process.
	registry.MustRegister(machine.NewProcessCollector(machine.ProcessCollectorOpts{}),
		machine.NewGoCollector(machine.WithGoCollectorMemStatsMetricsDisabled()))
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
