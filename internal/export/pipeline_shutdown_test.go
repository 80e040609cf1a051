package export

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// deafMetrics is a collector that answers no request with metrics.
type deafMetrics struct{ jsonMetrics }

func (*deafMetrics) Export(ctx context.Context, _ *metricdata.ResourceMetrics) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestACollectorThatDoesNotAnswerMetricsDoesNotMakeTheEndFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := toFake(&fakeExporter{})
		d.metrics, d.reach = &deafMetrics{}, &reachability{log: slog.New(slog.DiscardHandler)}
		p := start(t, Options{MetricInterval: time.Hour}, d)
		p.Handle(anEvent(0))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		if err := p.Shutdown(ctx); err != nil || time.Since(began) != 9*time.Second {
			t.Errorf("shutdown after %s: %v", time.Since(began), err)
		}
		synctest.Wait() // the export that was given up says so at the same moment
		s := p.Status()[0]
		if s.Logs.Exported != 1 || s.Metrics.Failing != "timed_out" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestStatusTellsWhichSignalsGoThere(t *testing.T) {
	logs, metrics := toFake(&fakeExporter{}), toFake(nil)
	logs.metrics, metrics.logs = nil, nil
	p := start(t, Options{}, logs, metrics)
	for i, s := range p.Status() {
		if s.SendsLogs != (i == 0) || s.SendsMetrics != (i == 1) {
			t.Errorf("destination %d: %+v", i, s)
		}
	}
}
