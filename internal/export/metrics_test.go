package export

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// meterFor returns an adapter and what its one reader collects.
func meterFor(t *testing.T, log *slog.Logger) (*metricAdapter, func() map[string]metricdata.Aggregation) {
	t.Helper()
	o, err := Options{Log: log}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	reader := sdkmetric.NewManualReader()
	provider := newMeterProvider(o, newResource(o), reader, nil)
	return newMetricAdapter(provider.Meter("test"), o.Log), func() map[string]metricdata.Aggregation {
		var metrics metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &metrics); err != nil {
			t.Fatal(err)
		}
		found := map[string]metricdata.Aggregation{}
		for _, scope := range metrics.ScopeMetrics {
			for _, m := range scope.Metrics {
				found[m.Name] = m.Data
			}
		}
		return found
	}
}

func measuring(m ...telemetry.Measurement) *event { return &event{measured: m} }

func TestEveryKindOfMetric(t *testing.T) {
	adapter, collect := meterFor(t, nil)
	kinds := map[telemetry.Kind]*telemetry.Metric{
		telemetry.Counter:       {Name: "c", Unit: "{thing}", Kind: telemetry.Counter},
		telemetry.UpDownCounter: {Name: "u", Unit: "{thing}", Kind: telemetry.UpDownCounter},
		telemetry.Gauge:         {Name: "g", Unit: "{thing}", Kind: telemetry.Gauge},
		telemetry.Histogram:     {Name: "h", Unit: "s", Kind: telemetry.Histogram},
	}
	for _, value := range []float64{3, 4} {
		for _, m := range kinds {
			adapter.handle(measuring(telemetry.Measurement{Metric: m, Value: value}))
		}
	}
	got := collect()
	if c := got["c"].(metricdata.Sum[int64]); !c.IsMonotonic || c.DataPoints[0].Value != 7 {
		t.Errorf("counter = %+v", c)
	}
	if u := got["u"].(metricdata.Sum[int64]); u.IsMonotonic || u.DataPoints[0].Value != 7 {
		t.Errorf("up-down counter = %+v", u)
	}
	if g := got["g"].(metricdata.Gauge[int64]); g.DataPoints[0].Value != 4 {
		t.Errorf("gauge = %+v", g)
	}
	h := got["h"].(metricdata.Histogram[float64]).DataPoints[0]
	if h.Count != 2 || h.Sum != 7 {
		t.Errorf("histogram = %+v", h)
	}
	for i, bound := range h.Bounds {
		if bound != math.Exp2(float64(minDurationExponent+i)) {
			t.Errorf("bound %d is %g", i, bound)
		}
	}
	if last := h.Bounds[len(h.Bounds)-1]; last != 4096 {
		t.Errorf("last bound is %g", last)
	}
}

func TestEveryMetricOfTheTableHasAnInstrument(t *testing.T) {
	var log bytes.Buffer
	adapter, collect := meterFor(t, slog.New(slog.NewTextHandler(&log, nil)))
	for _, m := range []*telemetry.Metric{&telemetry.TCPConnections, &telemetry.TCPConnectDuration,
		&telemetry.TCPConnectionDuration, &telemetry.PacketDrops} {
		adapter.handle(measuring(telemetry.Measurement{Metric: m, Value: 1}))
		if collect()[m.Name] == nil {
			t.Errorf("%s measured nothing: %s", m.Name, &log)
		}
	}
}

func TestMetricThatTheSDKRefusesIsSaidOnce(t *testing.T) {
	var log bytes.Buffer
	adapter, _ := meterFor(t, slog.New(slog.NewTextHandler(&log, nil)))
	for _, m := range []*telemetry.Metric{{Name: "0 no name"}, {Name: "unknown", Kind: 99}} {
		for range 2 {
			adapter.handle(measuring(telemetry.Measurement{Metric: m, Value: 1}))
		}
	}
	if n := strings.Count(log.String(), "metric is left out"); n != 2 {
		t.Errorf("%d warnings, want one a metric:\n%s", n, &log)
	}
}

func TestSeriesAreBoundedAndNothingIsLost(t *testing.T) {
	adapter, collect := meterFor(t, nil)
	const commands = maxBoundSeries + 100
	for i := range commands {
		adapter.handle(measuring(connectionOf(fmt.Sprint("c", i), "client", "")))
		if len(adapter.series) > maxBoundSeries {
			t.Fatalf("%d series are bound", len(adapter.series))
		}
	}
	adapter.handle(measuring(connectionOf("c0", "client", ""))) // bound anew, the same series
	points := collect()[telemetry.TCPConnections.Name].(metricdata.Sum[int64]).DataPoints
	if len(points) > maxSeries {
		t.Errorf("%d series, want at most %d", len(points), maxSeries)
	}
	var sum, overflow, first int64
	for _, p := range points {
		sum += p.Value
		if p.Attributes.HasValue("otel.metric.overflow") {
			overflow = p.Value
		}
		if command, _ := p.Attributes.Value(telemetry.Command); command.AsString() == "c0" {
			first = p.Value
		}
	}
	if sum != commands+1 || overflow != commands-maxSeries+1 || first != 2 {
		t.Errorf("sum %d, overflow %d, first %d", sum, overflow, first)
	}
}

func TestSelfTelemetryAddsUp(t *testing.T) {
	adapter, collect := meterFor(t, nil)
	if err := observePrograms(adapter.meter, somePrograms); err != nil {
		t.Fatal(err)
	}
	got := collect()
	sum := func(m telemetry.Metric, program string) (total int64) {
		for _, p := range got[m.Name].(metricdata.Sum[int64]).DataPoints {
			if name, _ := p.Attributes.Value(telemetry.ProgramName); name.AsString() == program {
				total += p.Value
			}
		}
		return total
	}
	for _, program := range somePrograms() {
		if n := sum(telemetry.ProgramEvents, program.Name); n != int64(program.Stats.Seen) {
			t.Errorf("%s: outcomes of events add up to %d, it saw %d", program.Name, n, program.Stats.Seen)
		}
		if n := sum(telemetry.ProgramRecords, program.Name); n != int64(program.Stats.Recorded) {
			t.Errorf("%s: outcomes of records add up to %d, it recorded %d", program.Name, n, program.Stats.Recorded)
		}
	}
	for _, p := range got[telemetry.ProgramUp.Name].(metricdata.Gauge[int64]).DataPoints {
		name, _ := p.Attributes.Value(telemetry.ProgramName)
		if want := name.AsString() == "connection"; p.Value == 1 != want {
			t.Errorf("%s: up = %d", name.AsString(), p.Value)
		}
	}
}

func TestEventsThatMeasureNothing(t *testing.T) {
	adapter, collect := meterFor(t, nil)
	adapter.handle(&bare{bpf.BaseEvent{}})
	if got := collect(); len(got) != 0 {
		t.Errorf("metrics = %v", got)
	}
}
