package export

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// maxMetricName is the longest name that the specification allows an instrument.
const maxMetricName = 255

// seriesTable sums the measurements of the observed workloads, each metric's by its labels, and has a producer for each
// reader. It stands in for the SDK's instruments, which take single values only, never let a series go, and under
// cumulative temporality count every newcomer in the overflow for ever once they are full.
type seriesTable struct {
	scope     instrumentation.Scope
	now       func() time.Time
	began     time.Time
	log       *slog.Logger
	producers []*producer
	awaited   []int // the producers that must have delivered a series before it may leave

	// known belongs to the goroutine that adds. It has nil for a metric that is left out. Metrics are variables of
	// programs, so there are as many as their sources name.
	known map[*telemetry.Metric]*family
	told  toldFamilies

	mu       sync.Mutex
	families []*family // only ever appended to
}

// newSeriesTable returns a table with one producer for each form, in the same order.
func newSeriesTable(o Options, forms ...form) *seriesTable {
	t := &seriesTable{
		scope: instrumentation.Scope{Name: scopeName, Version: o.Version, SchemaURL: semconv.SchemaURL},
		now:   o.now,
		log:   o.Log,
		began: o.now(),
		known: make(map[*telemetry.Metric]*family),
		told:  toldFamilies{known: make(map[*telemetry.Metric]*family)},
	}
	for i, f := range forms {
		t.producers = append(t.producers, &producer{table: t, index: i, form: f, since: t.began,
			owed: make(map[*series]time.Time)})
		if f.awaited {
			t.awaited = append(t.awaited, i)
		}
	}
	return t
}

// add adds a measurement of the event to its series. One goroutine calls it, whoever collects meanwhile.
func (t *seriesTable) add(m *telemetry.Measurement, event bpf.BPFEvent, now time.Time) {
	if f := t.family(m.Metric); f != nil {
		f.add(m, event, now)
	}
}

// family returns the metric's series, and nil if it is left out; the log says so once.
func (t *seriesTable) family(m *telemetry.Metric) *family {
	if f, known := t.known[m]; known {
		return f
	}
	f, err := t.newFamily(m, false)
	if err != nil {
		t.log.Warn("metric is left out", "metric", m.Name, "error", err)
	}
	t.known[m] = f
	return f
}

// newFamily begins a metric, unless it is one that has begun under another variable: two of one name would be one
// metric twice in every request.
func (t *seriesTable) newFamily(m *telemetry.Metric, told bool) (*family, error) {
	if err := checkMetric(m); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.families {
		switch {
		case f.metric.Name != m.Name:
		case *f.metric != *m:
			return nil, fmt.Errorf("another metric has its name: %+v", *f.metric)
		default:
			return f, nil
		}
	}
	f := newFamily(m, len(t.producers), t.awaited)
	f.told = told
	t.families = append(t.families, f)
	return f, nil
}

// all returns the metrics that have begun.
func (t *seriesTable) all() []*family {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.families
}

// checkMetric refuses what the OpenTelemetry specification does not allow: backends would.
func checkMetric(m *telemetry.Metric) error {
	if m.Kind > telemetry.Gauge {
		return fmt.Errorf("unknown kind %d", m.Kind)
	}
	if n := len(m.Name); n == 0 || n > maxMetricName {
		return fmt.Errorf("a name has 1 to %d characters, this one %d", maxMetricName, n)
	}
	for i, c := range []byte(m.Name) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		other := c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-' || c == '/'
		if !letter && (i == 0 || !other) {
			return fmt.Errorf("character %q at %d of its name", c, i)
		}
	}
	return nil
}
