package export

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
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

// TestDeltasAddUpToWhatWasCounted adds and collects at random, with series that leave and come back.
func TestDeltasAddUpToWhatWasCounted(t *testing.T) {
	metrics := kinds()
	counter, histogram := metrics[0], metrics[3]
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		clock := &hand{}
		table := newTable(t, clock, nil, form{}, formFor(TemporalityDelta, false), formFor(TemporalityLowMemory, true))
		added := map[string]map[string]int64{counter.Name: {}, histogram.Name: {}}
		var told [3]map[string]map[string]int64
		for i := range told {
			told[i] = map[string]map[string]int64{counter.Name: {}, histogram.Name: {}}
		}
		for range 2000 {
			label := command(random.IntN(10))
			switch random.IntN(4) {
			case 0:
				n := random.IntN(100)
				table.addNow(measureOf(counter, float64(n), label))
				added[counter.Name]["kerntap.command="+label.Value] += int64(n)
			case 1:
				table.addNow(measureOf(histogram, random.ExpFloat64(), label))
				added[histogram.Name]["kerntap.command="+label.Value]++
			case 2:
				clock.passed += time.Duration(random.Int64N(int64(2 * time.Minute)))
			case 3:
				reader := random.IntN(len(told))
				tellAll(t, table.producers[reader], told[reader])
			}
		}
		for i := 1; i < len(told); i++ {
			tellAll(t, table.producers[i], told[i])
			if got, want := fmt.Sprint(told[i]), fmt.Sprint(added); got != want {
				t.Errorf("seed %d: reader %d was told\n%s, want\n%s", seed, i, got, want)
			}
		}
	}
}

// tellAll adds what a reader is told.
func tellAll(t *testing.T, p *producer, told map[string]map[string]int64) {
	t.Helper()
	for name, m := range collect(t, p) {
		for series, n := range sums(m.Data) {
			told[name][series] += n
		}
	}
}

func TestLabelsThatBecomeTheSameAttributesAreOneSeries(t *testing.T) {
	table := newTable(t, &hand{}, nil, form{})
	role := telemetry.Label{Key: telemetry.TCPRole, Value: "client"}
	for _, labels := range []telemetry.Labels{
		telemetry.LabelSet(command("a\xff"), role), telemetry.LabelSet(role, command("a\xfe")),
		telemetry.LabelSet(role, command("other"), command("a\xff\xff")),
		{{}, role, {Key: telemetry.ErrorType}, command("a\uFFFD")},
	} {
		table.addNow(telemetry.Measurement{Metric: &telemetry.TCPConnections, Labels: labels, Value: 1})
	}
	points := pointsOf(collect(t, table.producers[0])[telemetry.TCPConnections.Name].Data)
	if len(points) != 1 || points[0].value != 4 || points[0].name != "kerntap.command=a\uFFFD,kerntap.tcp.role=client" {
		t.Errorf("points = %+v", points)
	}
}

func TestLabelsAreTheSameInAnyOrder(t *testing.T) {
	a, b, c := command("a"), telemetry.Label{Key: "b", Value: "b"}, telemetry.Label{Key: "c", Value: "c"}
	for _, test := range []struct {
		a, b telemetry.Labels
		same bool
	}{
		{telemetry.LabelSet(a, b), telemetry.LabelSet(b, a), true},
		{telemetry.LabelSet(), telemetry.LabelSet(), true},
		{telemetry.LabelSet(a, b), telemetry.LabelSet(a, b, c), false},
		{telemetry.LabelSet(a, b, c), telemetry.LabelSet(a, b), false},
		{telemetry.LabelSet(a, b), telemetry.LabelSet(a, c), false},
	} {
		if got := sameLabels(&test.a, &test.b); got != test.same {
			t.Errorf("%v and %v: same = %v", test.a, test.b, got)
		}
	}
}

func TestSeriesWithTheSameHashDoNotDisturbEachOther(t *testing.T) {
	same := []telemetry.Label{{Key: "a", Value: "x"}, {Key: "b", Value: "x"}, {Key: "c", Value: "x"}}
	for leaves := range same {
		clock := &hand{}
		table := newTable(t, clock, nil, form{})
		add := func(labels ...telemetry.Label) map[string]int64 {
			for _, label := range labels {
				table.addNow(measureOf(&telemetry.TCPConnections, 1, label))
			}
			return sums(collect(t, table.producers[0])[telemetry.TCPConnections.Name].Data)
		}
		add(same...)
		if got := add(same...); fmt.Sprint(got) != "map[a=x:2 b=x:2 c=x:2]" {
			t.Errorf("series = %v", got)
		}
		stay := slices.Delete(slices.Clone(same), leaves, leaves+1)
		clock.passed = seriesIdle - time.Second
		add(stay...)
		clock.passed = seriesIdle
		add()
		if got := add(stay...); len(got) != 2 || got[stay[0].Key+"=x"] != 4 || got[stay[1].Key+"=x"] != 4 {
			t.Errorf("series = %v after %s left", got, same[leaves].Key)
		}
		if n, _ := table.all()[0].size(); n != 2 {
			t.Errorf("%d series after %s left: one is there twice", n, same[leaves].Key)
		}
	}
}

func TestAddAndCollectTogether(t *testing.T) {
	table := newTable(t, &hand{}, nil, form{}, formFor(TemporalityDelta, false), formFor(TemporalityDelta, true))
	const rounds = 2000
	var group sync.WaitGroup
	done := make(chan struct{})
	told := make([]map[string]map[string]int64, len(table.producers))
	for i, p := range table.producers {
		told[i] = map[string]map[string]int64{}
		for _, m := range kinds() {
			told[i][m.Name] = map[string]int64{}
		}
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					tellAll(t, p, told[i])
				}
			}
		})
	}
	metrics := kinds()
	for i := range rounds {
		for _, m := range metrics {
			table.addNow(measureOf(m, 1, command(i%7)))
		}
	}
	close(done)
	group.Wait()
	for i := 1; i < len(table.producers); i++ {
		tellAll(t, table.producers[i], told[i])
		for _, name := range []string{"counter", "histogram"} {
			var sum int64
			for _, n := range told[i][name] {
				sum += n
			}
			if sum != rounds {
				t.Errorf("reader %d was told %d of %s, want %d", i, sum, name, rounds)
			}
		}
	}
}
