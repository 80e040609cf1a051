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

// Export sends metrics in requests that are smaller than a collector takes at most, until the time of the export is over.
// What becomes of one says nothing of the others.
func (c *collectorMetrics) Export(ctx context.Context, metrics *metricdata.ResourceMetrics) error {
	var result owingError
	for _, part := range parts(metrics, c.limit) {
		c.requests.begin()
		err := c.requests.result(ctx, c.Exporter.Export(ctx, part.ResourceMetrics))
		if err == nil {
			err = c.requests.rejection()
		}
		if !settled(err) {
			result.owed = append(result.owed, part.spans...)
		}
		if err != nil {
			result.errs = append(result.errs, err)
		}
	}
	if len(result.errs) == 0 {
		return nil
	}
	return &result
}

// owingError is the failure of an export some of whose points have to be told again.
type owingError struct {
	owed []span
	errs []error
}

func (e *owingError) Error() string { return errors.Join(e.errs...).Error() }

func (e *owingError) Unwrap() []error { return e.errs }

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
