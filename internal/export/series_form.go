package export

import (
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// histogramForm is what becomes of a distribution.
type histogramForm uint8

const (
	explicitBuckets histogramForm = iota
	exponentialBuckets
	noHistograms
)

// form is how one reader is told metrics. Its zero value is that of the Prometheus exposition.
type form struct {
	// deltaCounters and deltaHistograms tell what was added since the reader's last acknowledged collection, instead
	// of since the start of a series. Up-down counters are cumulative under every preference of the specification.
	deltaCounters, deltaHistograms bool
	histograms                     histogramForm
	// awaited is a reader that is sure to come and says what was delivered. A series stays until it was; a scrape may
	// never come.
	awaited bool
}

// formOf returns what an exporter asks for.
func formOf(exporter sdkmetric.Exporter) form {
	f := form{
		deltaCounters:   exporter.Temporality(sdkmetric.InstrumentKindCounter) == metricdata.DeltaTemporality,
		deltaHistograms: exporter.Temporality(sdkmetric.InstrumentKindHistogram) == metricdata.DeltaTemporality,
		awaited:         true,
	}
	switch exporter.Aggregation(sdkmetric.InstrumentKindHistogram).(type) {
	case sdkmetric.AggregationBase2ExponentialHistogram:
		f.histograms = exponentialBuckets
	case sdkmetric.AggregationDrop:
		f.histograms = noHistograms
	}
	return f
}

// delta tells whether metrics of that kind are told as what was added.
func (f form) delta(kind telemetry.Kind) bool {
	switch kind {
	case telemetry.Counter:
		return f.deltaCounters
	case telemetry.Histogram:
		return f.deltaHistograms
	}
	return false
}

// temporality returns the SDK's word for it.
func (f form) temporality(kind telemetry.Kind) metricdata.Temporality {
	if f.delta(kind) {
		return metricdata.DeltaTemporality
	}
	return metricdata.CumulativeTemporality
}
