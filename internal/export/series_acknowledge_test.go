package export

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// deltas are the forms of delta temporality.
func deltas() []form {
	return []form{formFor(TemporalityDelta, false), formFor(TemporalityDelta, true)}
}

func TestADeltaAfterFailedExportsCoversTheirIntervalsToo(t *testing.T) {
	for _, f := range deltas() {
		clock := &hand{}
		table := newTable(t, clock, nil, f)
		for _, step := range []struct {
			add       int
			delivered bool
			want      int64
			since     time.Duration
		}{
			{1, true, 1, 0},
			{2, false, 2, time.Second},
			{3, false, 5, time.Second},
			{4, true, 9, time.Second},
			{5, true, 5, 4 * time.Second},
			{0, false, 0, 0},
			{6, true, 6, 5 * time.Second}, // nothing was told meanwhile, which is not known to be delivered
			{7, true, 7, 7 * time.Second},
		} {
			for range step.add {
				table.addNow(measureOf(&telemetry.TCPConnections, 1), measureOf(&telemetry.TCPConnectDuration, 1))
			}
			clock.passed += time.Second
			got := collectOnly(t, table.producers[0])
			for _, m := range []*telemetry.Metric{&telemetry.TCPConnections, &telemetry.TCPConnectDuration} {
				points := pointsOf(got[m.Name].Data)
				if step.want == 0 && len(points) == 0 {
					continue
				}
				if len(points) != 1 || points[0].value != step.want || !points[0].start.Equal(epoch().Add(step.since)) {
					t.Errorf("%s at %s: %+v, want %d since %s", m.Name, clock.passed, points, step.want, step.since)
				}
			}
			if step.delivered {
				table.producers[0].acknowledge()
			}
		}
	}
}

func TestWhatIsAddedDuringAnExportIsNotDeliveredByIt(t *testing.T) {
	for _, f := range append(deltas(), formFor(TemporalityCumulative, false)) {
		clock := &hand{}
		table := newTable(t, clock, nil, f)
		p := table.producers[0]
		table.addNow(measureOf(&telemetry.TCPConnections, 1), measureOf(&telemetry.TCPConnectDuration, 1))
		collectOnly(t, p)
		table.addNow(measureOf(&telemetry.TCPConnections, 10), measureOf(&telemetry.TCPConnectDuration, 1))
		clock.passed = seriesIdle
		p.acknowledge()
		p.acknowledge() // no collection is on its way, so that nothing more was delivered
		want := "10 1"
		if !f.deltaCounters {
			want = "11 2"
		}
		got := collect(t, p)
		if text := fmt.Sprint(sums(got[telemetry.TCPConnections.Name].Data)[""], " ",
			sums(got[telemetry.TCPConnectDuration.Name].Data)[""]); text != want {
			t.Errorf("%+v: told %s, want %s", f, text, want)
		}
		if got := collect(t, p); len(got) != 0 {
			t.Errorf("%+v: idle series stay after they were delivered: %v", f, got)
		}
	}
}

func TestAnExportIsMadeUpForUnlessTheDestinationHasDecided(t *testing.T) {
	for err, again := range map[error]bool{
		nil:                      false,
		context.DeadlineExceeded: true,
		errors.New("disk full"):  true,
		&causeError{"resource_exhausted", context.DeadlineExceeded}: true,
	} {
		checkToldAgain(t, err, again)
	}
	for cause, again := range map[string]bool{
		causeRejected: false, "404": false, "400": false, "413": false,
		"unimplemented": false, "invalid_argument": false, "resource_exhausted": false,
		causeUnavailable: true, causeNotOTLP: true, "401": true, "429": true, "503": true, "permission_denied": true,
	} {
		checkToldAgain(t, &causeError{cause: cause, err: errors.New("no")}, again)
	}
}

// checkToldAgain fails unless what an export that ends with err carried is told again, or is not.
func checkToldAgain(t *testing.T, err error, again bool) {
	t.Helper()
	table := newTable(t, &hand{}, nil, deltas()[0])
	o := Options{Log: table.log, MetricInterval: time.Hour, MetricTimeout: time.Minute}
	e := newMetricExporter(destination{metrics: &fakeMetrics{err: err}}, o, table.producers[0], nil)
	e.start()
	table.addNow(measureOf(&telemetry.TCPConnections, 1))
	e.Shutdown(t.Context())
	if got := len(collectOnly(t, table.producers[0])) > 0; got != again {
		t.Errorf("after %v: told again = %t", err, got)
	}
}
