package export

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

func measuring(m ...telemetry.Measurement) *event { return &event{measured: m} }

// measureOf returns a measurement of n things of the metric's kind.
func measureOf(m *telemetry.Metric, n float64, labels ...telemetry.Label) telemetry.Measurement {
	measurement := telemetry.Measurement{Metric: m, Labels: telemetry.LabelSet(labels...)}
	if m.Kind == telemetry.Histogram {
		measurement.Distribution = distributionOf(n)
	} else {
		measurement.Value = n
	}
	return measurement
}

func TestEveryMetricOfTheTableHasSeries(t *testing.T) {
	var log bytes.Buffer
	table := newTable(t, &hand{}, slog.New(slog.NewTextHandler(&log, nil)), form{})
	adapter := newMetricAdapter(table, table.now)
	for _, m := range []*telemetry.Metric{&telemetry.TCPConnections, &telemetry.TCPConnectDuration,
		&telemetry.TCPConnectionDuration, &telemetry.PacketDrops} {
		adapter.handle(measuring(measureOf(m, 1)))
		if collect(t, table.producers[0])[m.Name].Data == nil {
			t.Errorf("%s measured nothing: %s", m.Name, &log)
		}
	}
}

func TestMetricThatBackendsRefuseIsLeftOutAndSaidOnce(t *testing.T) {
	var log bytes.Buffer
	table := newTable(t, &hand{}, slog.New(slog.NewTextHandler(&log, nil)), form{})
	adapter := newMetricAdapter(table, table.now)
	good := telemetry.Metric{Name: "a.good-1/name_X", Unit: "{thing}"}
	same, other := good, good
	other.Unit = "s"
	refused := []*telemetry.Metric{{Name: "0 no name"}, {Name: ""}, {Name: "a b"}, {Name: "kind", Kind: 99},
		{Name: strings.Repeat("n", maxMetricName+1)}, &other}
	for range 2 {
		for _, m := range append([]*telemetry.Metric{&good, &same}, refused...) {
			adapter.handle(measuring(telemetry.Measurement{Metric: m, Value: 1}))
		}
	}
	if n := strings.Count(log.String(), "metric is left out"); n != len(refused) {
		t.Errorf("%d warnings, want one a metric:\n%s", n, &log)
	}
	got := collect(t, table.producers[0])
	if len(got) != 1 || sums(got[good.Name].Data)[""] != 4 {
		t.Errorf("metrics = %+v, want both variables of one metric in one", got)
	}
}

func TestEventsThatMeasureNothing(t *testing.T) {
	table := newTable(t, &hand{}, nil, form{})
	adapter := newMetricAdapter(table, table.now)
	adapter.handle(&bare{bpf.BaseEvent{}})
	adapter.handle(measuring())
	adapter.handle(measuring(telemetry.Measurement{Metric: &telemetry.TCPConnectDuration, Value: 1}))
	if got := collect(t, table.producers[0]); len(got) != 0 {
		t.Errorf("metrics = %v", got)
	}
}

// selfTelemetry returns what a reader collects of what a pipeline says about itself.
func selfTelemetry(t *testing.T, p *Pipeline, o Options, table *seriesTable) map[string]metricdata.Aggregation {
	t.Helper()
	table.told.observers = p.observers(o, table)
	found := map[string]metricdata.Aggregation{}
	for name, m := range collect(t, table.producers[0]) {
		found[name] = m.Data
	}
	return found
}

func TestSelfTelemetryAddsUp(t *testing.T) {
	o, err := Options{Programs: somePrograms}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	got := selfTelemetry(t, &Pipeline{}, o, newSeriesTable(o, form{}))
	sum := func(m telemetry.Metric, program string) (total int64) {
		for _, p := range got[m.Name].(metricdata.Sum[int64]).DataPoints {
			if name, _ := p.Attributes.Value(telemetry.ProgramName); name.AsString() == program {
				total += p.Value
			}
		}
		return total
	}
	gauge := func(m telemetry.Metric, program string) int64 {
		for _, p := range got[m.Name].(metricdata.Gauge[int64]).DataPoints {
			if name, _ := p.Attributes.Value(telemetry.ProgramName); name.AsString() == program {
				return p.Value
			}
		}
		return -1
	}
	for _, program := range somePrograms() {
		if n := sum(telemetry.ProgramEvents, program.Name); n != int64(program.Stats.Seen) {
			t.Errorf("%s: outcomes of events add up to %d, it saw %d", program.Name, n, program.Stats.Seen)
		}
		if n := sum(telemetry.ProgramRecords, program.Name); n != int64(program.Stats.Recorded) {
			t.Errorf("%s: outcomes of records add up to %d, it recorded %d", program.Name, n, program.Stats.Recorded)
		}
		if n := gauge(telemetry.ProgramLedgerRows, program.Name); n != int64(program.Stats.LedgerRows) {
			t.Errorf("%s: %d rows in its ledger, want %d", program.Name, n, program.Stats.LedgerRows)
		}
		if up := gauge(telemetry.ProgramUp, program.Name); up == 1 != (program.Name == "connection") {
			t.Errorf("%s: up = %d", program.Name, up)
		}
	}
}

func TestSelfTelemetryNamesReductions(t *testing.T) {
	o, err := Options{Programs: func() []bpf.Status {
		return []bpf.Status{
			{Name: "whole"}, {Name: "reduced", Reductions: []bpf.Reduction{{Name: "first"}, {Name: "second"}}},
		}
	}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	got := selfTelemetry(t, &Pipeline{}, o, newSeriesTable(o, form{}))
	want := fmt.Sprint(map[string]int{
		"kerntap.program.name=reduced,kerntap.reduction=first":  1,
		"kerntap.program.name=reduced,kerntap.reduction=second": 1,
	})
	if got := fmt.Sprint(sums(got[telemetry.ProgramReductions.Name])); got != want {
		t.Errorf("reductions: %s, want %s", got, want)
	}
}

func TestSelfTelemetryTellsHowFullTheTableIsAndWhatWaits(t *testing.T) {
	exporter, release := stall()
	defer release()
	p := start(t, Options{}, toFake(exporter))
	for range 3 {
		p.Handle(anEvent(0))
	}
	o, err := Options{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	table := newTable(t, &hand{}, nil, form{})
	fill(table, maxSeries+4)
	got := selfTelemetry(t, &Pipeline{outlets: p.outlets}, o, table)
	metric := "kerntap.metric.name=" + telemetry.TCPConnections.Name
	for m, want := range map[*telemetry.Metric]string{
		&telemetry.SeriesActive:    fmt.Sprint(map[string]int{metric: maxSeries}),
		&telemetry.SeriesOverflows: fmt.Sprint(map[string]int{metric: 5}),
		&telemetry.ProgramQueued:   fmt.Sprint(map[string]int{"kerntap.destination=fake": 3}),
	} {
		if got := fmt.Sprint(sums(got[m.Name])); got != want {
			t.Errorf("%s: %s, want %s", m.Name, got, want)
		}
	}
}
