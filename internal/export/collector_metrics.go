package export

import (
	"context"
	"errors"

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
	limit    int
}

// Export sends metrics in requests that are smaller than a collector takes at most, each until the reader's timeout. Once
// the collector has taken one, what becomes of the others is no reason to send all of them again: deltas would count
// twice.
func (c *collectorMetrics) Export(ctx context.Context, metrics *metricdata.ResourceMetrics) error {
	var errs []error
	taken := false
	for _, part := range parts(metrics, c.limit) {
		c.requests.begin()
		err := c.requests.result(ctx, c.Exporter.Export(ctx, part))
		if err == nil {
			taken = true
			err = c.requests.rejection()
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err == nil || !taken {
		return err
	}
	return &causeError{cause: causeRejected, err: errors.Join(errs...)}
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
