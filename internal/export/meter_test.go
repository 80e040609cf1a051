package export

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// keeping is an exporter that asks for a form and keeps what it gets of two metrics.
type keeping struct {
	asking
	mu   sync.Mutex
	kept []string
}

func (k *keeping) Export(_ context.Context, metrics *metricdata.ResourceMetrics) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, scope := range metrics.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == telemetry.TCPConnections.Name || m.Name == telemetry.TCPConnectDuration.Name {
				k.kept = append(k.kept, fmt.Sprintf("%T %d", m.Data, pointsOf(m.Data)[0].value))
			}
		}
	}
	return nil
}

func TestEveryDestinationGetsItsOwnForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delta := &keeping{asking: asking{temporality: temporalitySelector(TemporalityDelta), aggregation: aggregationSelector(true)}}
		cumulative := &keeping{asking: asking{temporality: temporalitySelector(""), aggregation: aggregationSelector(false)}}
		p := start(t, Options{MetricInterval: time.Second},
			destination{name: "logs", logs: &fakeExporter{}, logInterval: time.Second},
			destination{name: "delta", metrics: delta}, destination{name: "cumulative", metrics: cumulative})
		for range 2 {
			p.Handle(benchEvent())
			exposition(t, p)
			pass(time.Second)
		}
		want := "[metricdata.Sum[int64] 1 metricdata.ExponentialHistogram[float64] 1" +
			" metricdata.Sum[int64] 1 metricdata.ExponentialHistogram[float64] 1]"
		if got := fmt.Sprint(delta.kept); got != want {
			t.Errorf("delta: %s, want %s", got, want)
		}
		want = "[metricdata.Sum[int64] 1 metricdata.Histogram[float64] 1" +
			" metricdata.Sum[int64] 2 metricdata.Histogram[float64] 2]"
		if got := fmt.Sprint(cumulative.kept); got != want {
			t.Errorf("cumulative: %s, want %s", got, want)
		}
	})
}
