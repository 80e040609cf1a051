package export

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// hand is a clock that a test moves.
type hand struct{ passed time.Duration }

// epoch is where the clock begins: as synctest's does.
func epoch() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

func (h *hand) now() time.Time { return epoch().Add(h.passed) }

// stretch is an event that counts what happened from a moment on.
type stretch struct {
	*event
	since time.Duration
}

func (s *stretch) Since() time.Time { return epoch().Add(s.since) }

// newTable returns a table that nobody but the test collects from.
func newTable(tb testing.TB, clock *hand, log *slog.Logger, forms ...form) *seriesTable {
	tb.Helper()
	o, err := Options{Log: log, now: clock.now}.withDefaults()
	if err != nil {
		tb.Fatal(err)
	}
	return newSeriesTable(o, forms...)
}

// asking is an exporter that asks for a form.
type asking struct {
	jsonMetrics
	temporality sdkmetric.TemporalitySelector
	aggregation sdkmetric.AggregationSelector
}

func (a *asking) Temporality(kind sdkmetric.InstrumentKind) metricdata.Temporality {
	return a.temporality(kind)
}

func (a *asking) Aggregation(kind sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return a.aggregation(kind)
}

// formFor returns the form that a collector gets under a preference.
func formFor(temporality string, exponential bool) form {
	return formOf(&asking{temporality: temporalitySelector(temporality), aggregation: aggregationSelector(exponential)})
}

// collect returns what the producer tells, by name, and has it delivered.
func collect(tb testing.TB, p *producer) map[string]metricdata.Metrics {
	tb.Helper()
	defer p.acknowledge()
	return collectOnly(tb, p)
}

// collectOnly returns what the producer tells, by name.
func collectOnly(tb testing.TB, p *producer) map[string]metricdata.Metrics {
	tb.Helper()
	scopes, err := p.Produce(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	found := map[string]metricdata.Metrics{}
	for _, scope := range scopes {
		for _, m := range scope.Metrics {
			if _, twice := found[m.Name]; twice {
				tb.Errorf("%s is there twice", m.Name)
			}
			found[m.Name] = m
		}
	}
	return found
}

// named returns attributes as "key=value,key=value".
func named(set attribute.Set) string { return set.Encoded(attribute.DefaultEncoder()) }

// point is one point of any kind: a number, or the count of a distribution.
type anyPoint struct {
	name        string
	value       int64
	start, time time.Time
}

func pointsOf(data metricdata.Aggregation) []anyPoint {
	var all []anyPoint
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			all = append(all, anyPoint{named(p.Attributes), p.Value, p.StartTime, p.Time})
		}
	case metricdata.Gauge[int64]:
		for _, p := range d.DataPoints {
			all = append(all, anyPoint{named(p.Attributes), p.Value, p.StartTime, p.Time})
		}
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			all = append(all, anyPoint{named(p.Attributes), int64(p.Count), p.StartTime, p.Time})
		}
	case metricdata.ExponentialHistogram[float64]:
		for _, p := range d.DataPoints {
			all = append(all, anyPoint{named(p.Attributes), int64(p.Count), p.StartTime, p.Time})
		}
	}
	slices.SortFunc(all, func(a, b anyPoint) int { return cmp.Compare(a.name, b.name) })
	return all
}

// sums returns the values of the points by name.
func sums(data metricdata.Aggregation) map[string]int64 {
	all := map[string]int64{}
	for _, p := range pointsOf(data) {
		all[p.name] += p.value
	}
	return all
}

// distributionOf returns how values are distributed, as the kernel finds the bucket: by the first bound not below.
func distributionOf(values ...float64) *telemetry.Distribution {
	d := new(telemetry.Distribution)
	for _, v := range values {
		d.Count++
		d.Sum += v
		if v <= telemetry.ZeroThreshold() {
			d.Zero++
			continue
		}
		bucket := sort.Search(telemetry.BucketCount, func(i int) bool { return v <= telemetry.UpperBound(i) })
		d.Buckets[min(bucket, telemetry.BucketCount-1)]++
	}
	return d
}

// add adds measurements at the clock's time.
func (t *seriesTable) addNow(m ...telemetry.Measurement) {
	e := anEvent(t.now().Sub(epoch()))
	for i := range m {
		t.add(&m[i], e, t.now())
	}
}

func command(name any) telemetry.Label {
	return telemetry.Label{Key: telemetry.Command, Value: fmt.Sprint(name)}
}

// fill adds one connection of each of n commands.
func fill(t *seriesTable, n int) {
	for i := range n {
		t.addNow(measureOf(&telemetry.TCPConnections, 1, command(i)))
	}
}
