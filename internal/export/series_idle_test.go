package export

import (
	"fmt"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// connectionsOf returns the connections that the producer tells, by command.
func connectionsOf(t *testing.T, p *producer) map[string]anyPoint {
	t.Helper()
	all := map[string]anyPoint{}
	for _, point := range pointsOf(collect(t, p)[telemetry.TCPConnections.Name].Data) {
		all[point.name] = point
	}
	return all
}

const overflowName = "otel.metric.overflow=true"

func TestSeriesAreBoundedAndNothingIsLost(t *testing.T) {
	for _, temporality := range []string{TemporalityCumulative, TemporalityDelta} {
		table := newTable(t, &hand{}, nil, formFor(temporality, false))
		const commands = maxSeries + 100
		fill(table, commands)
		table.addNow(measureOf(&telemetry.TCPConnections, 1, command(0)))
		points := connectionsOf(t, table.producers[0])
		var sum int64
		for _, p := range points {
			sum += p.value
		}
		if len(points) != maxSeries || sum != commands+1 || points[overflowName].value != commands-maxSeries+1 ||
			points["kerntap.command=0"].value != 2 {
			t.Errorf("%s: %d series of %d connections, %+v", temporality, len(points), sum, points[overflowName])
		}
	}
}

func TestEveryKindOverflows(t *testing.T) {
	table := newTable(t, &hand{}, nil, form{})
	for i := range maxSeries + 1 {
		for _, m := range kinds() {
			table.addNow(measureOf(m, 1, command(i)))
		}
	}
	got := collect(t, table.producers[0])
	for kind, want := range map[string]int64{"counter": 2, "updown": 2, "gauge": 1, "histogram": 2} {
		if n := sums(got[kind].Data)[overflowName]; n != want {
			t.Errorf("%s: %d in the overflow, want %d", kind, n, want)
		}
	}
}

func TestIdleSeriesLeaveAndMakeRoom(t *testing.T) {
	clock := &hand{}
	table := newTable(t, clock, nil, form{})
	fill(table, maxSeries+1)
	clock.passed = seriesIdle - time.Second
	table.addNow(measureOf(&telemetry.TCPConnections, 1, command(7)))
	if points := connectionsOf(t, table.producers[0]); len(points) != maxSeries {
		t.Errorf("%d series before they are idle", len(points))
	}
	clock.passed = seriesIdle
	table.addNow(measureOf(&telemetry.TCPConnections, 1, command("new"))) // nobody collected meanwhile
	points := connectionsOf(t, table.producers[0])
	if len(points) != 2 || points["kerntap.command=new"].value != 1 || points["kerntap.command=7"].value != 2 {
		t.Errorf("series = %+v", points)
	}
}

func TestASeriesThatComesBackStartsAnew(t *testing.T) {
	const left = seriesIdle + 5*time.Second
	for since, want := range map[time.Duration]time.Duration{
		left - 3*time.Second: left, // has reported until then
		left + 3*time.Second: left + 3*time.Second,
	} {
		clock := &hand{}
		table := newTable(t, clock, nil, form{})
		m := measureOf(&telemetry.TCPConnections, 1, command("curl"))
		table.add(&m, &stretch{event: anEvent(0)}, clock.now())
		clock.passed = left
		if p := connectionsOf(t, table.producers[0])["kerntap.command=curl"]; !p.start.Equal(epoch()) || p.value != 1 {
			t.Errorf("told %+v before it leaves", p)
		}
		if n := len(connectionsOf(t, table.producers[0])); n != 0 {
			t.Errorf("%d series are told after they left", n)
		}
		clock.passed = left + 4*time.Second
		table.add(&m, &stretch{event: anEvent(0), since: since}, clock.now())
		p := connectionsOf(t, table.producers[0])["kerntap.command=curl"]
		if p.value != 1 || !p.start.Equal(epoch().Add(want)) {
			t.Errorf("since %s: %+v, want it to start after %s", since, p, want)
		}
	}
}

func TestASeriesStaysUntilEveryPeriodicReaderHasReportedIt(t *testing.T) {
	for _, slow := range []form{formFor(TemporalityDelta, false), formFor(TemporalityCumulative, false)} {
		clock := &hand{}
		table := newTable(t, clock, nil, form{}, formFor(TemporalityDelta, false), slow)
		for _, p := range table.producers {
			connectionsOf(t, p)
		}
		table.addNow(measureOf(&telemetry.TCPConnections, 5, command("curl")))
		for range 3 { // the slow one does not come
			clock.passed += time.Hour
			connectionsOf(t, table.producers[0])
			connectionsOf(t, table.producers[1])
		}
		fill(table, maxSeries)
		if p := connectionsOf(t, table.producers[2])["kerntap.command=curl"]; p.value != 5 {
			t.Errorf("the slow reader is told %+v", p)
		}
		if p, there := connectionsOf(t, table.producers[0])["kerntap.command=curl"]; there {
			t.Errorf("it stays once all have reported it: %+v", p)
		}
	}
}

func TestAnUpDownCounterLeavesAtZeroOnly(t *testing.T) {
	clock := &hand{}
	table := newTable(t, clock, nil, form{})
	open := kinds()[1]
	table.addNow(measureOf(open, 2, command("server")), measureOf(open, 1, command("client")))
	table.addNow(measureOf(open, -1, command("client")))
	for range 2 {
		clock.passed += seriesIdle
		collect(t, table.producers[0])
	}
	table.addNow(measureOf(open, -1, command("server")))
	if got := fmt.Sprint(sums(collect(t, table.producers[0])[open.Name].Data)); got != "map[kerntap.command=server:1]" {
		t.Errorf("series = %s", got)
	}
	table.addNow(measureOf(open, -1, command("server")))
	clock.passed += seriesIdle
	collect(t, table.producers[0])
	if got := collect(t, table.producers[0]); len(got) != 0 {
		t.Errorf("metrics = %v", got)
	}
}

func TestTheOverflowLeavesAndComesBackLikeAnySeries(t *testing.T) {
	clock := &hand{}
	table := newTable(t, clock, nil, form{})
	fill(table, maxSeries+1)
	clock.passed = seriesIdle - time.Second
	fill(table, maxSeries-1) // all but the overflow
	clock.passed = seriesIdle
	connectionsOf(t, table.producers[0])
	if _, there := connectionsOf(t, table.producers[0])[overflowName]; there {
		t.Error("the idle overflow stays")
	}
	table.addNow(measureOf(&telemetry.TCPConnections, 1, command("new")))
	if p := connectionsOf(t, table.producers[0])[overflowName]; p.value != 1 || !p.start.Equal(clock.now()) {
		t.Errorf("overflow = %+v", p)
	}
	if _, overflowed := table.all()[0].size(); overflowed != 3 {
		t.Errorf("%d measurements overflowed, want 3", overflowed)
	}
}
