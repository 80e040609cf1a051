package export

import (
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// kinds are one metric of every kind.
func kinds() []*telemetry.Metric {
	return []*telemetry.Metric{
		{Name: "counter", Unit: "{thing}", Description: "Things.", Kind: telemetry.Counter},
		{Name: "updown", Unit: "{thing}", Description: "Things.", Kind: telemetry.UpDownCounter},
		{Name: "gauge", Unit: "{thing}", Description: "Things.", Kind: telemetry.Gauge},
		{Name: "histogram", Unit: "s", Description: "Times.", Kind: telemetry.Histogram},
	}
}

// tell returns the value of each metric's one point, "-" where there is none, in the order of kinds.
func tell(t *testing.T, p *producer) string {
	t.Helper()
	var text string
	got := collect(t, p)
	for _, m := range kinds() {
		switch points := pointsOf(got[m.Name].Data); len(points) {
		case 0:
			text += " -"
		case 1:
			text += fmt.Sprint(" ", points[0].value)
		default:
			t.Errorf("%d points: %v", len(points), points)
		}
		if got[m.Name].Data != nil && (got[m.Name].Unit != m.Unit || got[m.Name].Description != m.Description) {
			t.Errorf("%+v is not described as %+v", got[m.Name], m)
		}
	}
	return text[1:]
}

func TestEveryKindUnderEveryTemporalityForTwoReadersSideBySide(t *testing.T) {
	metrics := kinds()
	// What a reader is told after 3, after 3 and 4, and once more: counter, up-down counter, gauge, count.
	told := map[string][3]string{
		TemporalityCumulative: {"3 3 3 1", "7 7 4 2", "7 7 4 2"},
		TemporalityDelta:      {"3 3 3 1", "4 7 4 1", "- 7 4 -"},
		TemporalityLowMemory:  {"3 3 3 1", "4 7 4 1", "- 7 4 -"},
	}
	late := map[string]string{TemporalityCumulative: "7 7 4 2", TemporalityDelta: "7 7 4 2", TemporalityLowMemory: "7 7 4 2"}
	for first, want := range told {
		for second := range told {
			for _, exponential := range []bool{false, true} {
				table := newTable(t, &hand{}, nil, formFor(first, exponential), formFor(second, !exponential))
				a, b := table.producers[0], table.producers[1]
				add := func(n float64) {
					for _, m := range metrics {
						table.addNow(measureOf(m, n))
					}
				}
				add(3)
				got := [3]string{tell(t, a)}
				add(4)
				got[1] = tell(t, a)
				if other := tell(t, b); other != late[second] {
					t.Errorf("%s beside %s is told %s, want %s", second, first, other, late[second])
				}
				got[2] = tell(t, a)
				if got != want {
					t.Errorf("%s beside %s is told %q, want %q", first, second, got, want)
				}
			}
		}
	}
}

func TestPointsSayWhatTheyAreAndFromWhenUntilWhen(t *testing.T) {
	for temporality, delta := range map[string]bool{TemporalityCumulative: false, TemporalityDelta: true,
		TemporalityLowMemory: true} {
		clock := &hand{}
		table := newTable(t, clock, nil, formFor(temporality, false))
		clock.passed = 3 * time.Second
		for _, m := range kinds() {
			measurement := measureOf(m, 1)
			table.add(&measurement, &stretch{event: anEvent(clock.passed), since: 2 * time.Second}, clock.now())
		}
		previous := time.Duration(0)
		for _, at := range []time.Duration{5 * time.Second, 9 * time.Second} {
			clock.passed = at
			got := collect(t, table.producers[0])
			for _, m := range kinds() {
				start := 2 * time.Second
				if delta && (m.Kind == telemetry.Counter || m.Kind == telemetry.Histogram) {
					start = previous
				}
				p := pointsOf(got[m.Name].Data)[0]
				if !p.start.Equal(epoch().Add(start)) || !p.time.Equal(clock.now()) {
					t.Errorf("%s %s: from %s until %s, want from %s", temporality, m.Name, p.start, p.time, start)
				}
			}
			counter, updown := got["counter"].Data.(metricdata.Sum[int64]), got["updown"].Data.(metricdata.Sum[int64])
			histogram := got["histogram"].Data.(metricdata.Histogram[float64])
			if !counter.IsMonotonic || updown.IsMonotonic || updown.Temporality != metricdata.CumulativeTemporality ||
				counter.Temporality == metricdata.DeltaTemporality != delta || histogram.Temporality != counter.Temporality {
				t.Errorf("%s: %+v %+v %s", temporality, counter, updown, histogram.Temporality)
			}
			previous = at
			for _, m := range kinds() {
				table.addNow(measureOf(m, 1))
			}
		}
	}
}

func TestAClockThatIsSteppedBackNeverEndsAPointBeforeItsStart(t *testing.T) {
	clock := &hand{passed: time.Hour}
	table := newTable(t, clock, nil, form{}, formFor(TemporalityDelta, false))
	table.addNow(measureOf(&telemetry.TCPConnections, 1))
	clock.passed = time.Minute
	for _, p := range table.producers {
		if point := pointsOf(collect(t, p)[telemetry.TCPConnections.Name].Data)[0]; point.start.After(point.time) {
			t.Errorf("from %s until %s", point.start, point.time)
		}
	}
}
