package export

import (
	"context"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// The values of Options.Temporality.
const (
	TemporalityCumulative = "cumulative"
	TemporalityDelta      = "delta"
	TemporalityLowMemory  = "lowmemory"
)

// collectorMetrics exports metrics and says why an export failed.
type collectorMetrics struct {
	sdkmetric.Exporter
	requests *requests
}

// Export tries until the reader's timeout.
func (c *collectorMetrics) Export(ctx context.Context, metrics *metricdata.ResourceMetrics) error {
	c.requests.begin()
	if err := c.requests.result(ctx, c.Exporter.Export(ctx, metrics)); err != nil {
		return err
	}
	return c.requests.rejection()
}

// Shutdown closes the connection.
func (c *collectorMetrics) Shutdown(ctx context.Context) error {
	defer c.requests.close()
	return c.Exporter.Shutdown(ctx)
}

func temporalitySelector(temporality string) sdkmetric.TemporalitySelector {
	switch temporality {
	case TemporalityDelta:
		return sdkmetric.DeltaTemporalitySelector
	case TemporalityLowMemory:
		return sdkmetric.LowMemoryTemporalitySelector
	}
	return sdkmetric.CumulativeTemporalitySelector
}

func aggregationSelector(exponential bool) sdkmetric.AggregationSelector {
	return func(kind sdkmetric.InstrumentKind) sdkmetric.Aggregation {
		if exponential && kind == sdkmetric.InstrumentKindHistogram {
			return sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}
		}
		return sdkmetric.DefaultAggregationSelector(kind)
	}
}
