package export

import (
	"context"
	"sync"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// textMetrics writes one line for people an interval.
type textMetrics struct {
	unbuffered
	out *lineWriter
	now func() time.Time

	mu   sync.Mutex
	last time.Time // the end of the interval before
}

var _ sdkmetric.Exporter = (*textMetrics)(nil)

func newTextMetrics(out *lineWriter, now func() time.Time) *textMetrics {
	return &textMetrics{out: out, now: now, last: now()}
}

// Temporality asks for what was counted since the export before.
func (*textMetrics) Temporality(kind sdkmetric.InstrumentKind) metricdata.Temporality {
	return sdkmetric.DeltaTemporalitySelector(kind)
}

// Aggregation asks for no histograms: the line has none.
func (*textMetrics) Aggregation(kind sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	if kind == sdkmetric.InstrumentKindHistogram {
		return sdkmetric.AggregationDrop{}
	}
	return sdkmetric.DefaultAggregationSelector(kind)
}

// Export writes the summary of the interval that ends now.
func (t *textMetrics) Export(_ context.Context, metrics *metricdata.ResourceMetrics) error {
	t.mu.Lock()
	now := t.now()
	elapsed := now.Sub(t.last)
	t.last = now
	t.mu.Unlock()
	s := summarize(metrics)
	_, err := t.out.write([]byte(s.line(elapsed)))
	return err
}
