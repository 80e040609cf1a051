package export

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// refusing is a destination that asks for a form. It fails as long as err says so, and keeps the points it took of a metric.
type refusing struct {
	asking
	mu    sync.Mutex
	err   error
	of    string // of which metric it keeps points
	taken []anyPoint
}

func refuse(temporality string) *refusing {
	return &refusing{err: errors.New("nobody there"), of: telemetry.TCPConnections.Name,
		asking: asking{temporality: temporalitySelector(temporality), aggregation: aggregationSelector(false)}}
}

func (r *refusing) Export(_ context.Context, metrics *metricdata.ResourceMetrics) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	for _, scope := range metrics.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == r.of {
				r.taken = append(r.taken, pointsOf(m.Data)...)
			}
		}
	}
	return nil
}

// recover lets exports succeed from now on.
func (r *refusing) recover() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = nil
}

// took returns what was taken since it was last asked.
func (r *refusing) took() (total int64, series map[string]anyPoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	series = map[string]anyPoint{}
	for _, p := range r.taken {
		total += p.value
		series[p.name] = p
	}
	r.taken = nil
	return total, series
}

// connectEach handles one connection of each of n commands.
func connectEach(p *Pipeline, n int) {
	for i := range n {
		p.Handle(measuring(measureOf(&telemetry.TCPConnections, 1, command(i))))
	}
}

func TestIdleSeriesWaitForADestinationThatFails(t *testing.T) {
	for _, temporality := range []string{TemporalityCumulative, TemporalityDelta} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			fails, takes := refuse(temporality), refuse(temporality)
			takes.recover()
			p := start(t, Options{MetricInterval: time.Minute},
				destination{name: "takes", metrics: takes}, destination{name: "fails", metrics: fails})
			connectEach(p, 3)
			pass(20*time.Minute + time.Second)
			exposition(t, p)
			fails.recover()
			pass(time.Minute)
			total, series := fails.took()
			if total != 3 || len(series) != 3 {
				t.Errorf("%s: took %d connections: %v", temporality, total, series)
			}
			if temporality == TemporalityDelta {
				for _, point := range series {
					if !point.start.Equal(began) || point.time.Sub(began) != 21*time.Minute {
						t.Errorf("from %s until %s, want all of 21 minutes", point.start, point.time)
					}
				}
			}
			pass(time.Minute)
			if total, _ := fails.took(); total != 0 {
				t.Errorf("%s: %d connections are told once more after they were taken", temporality, total)
			}
			if n, _ := p.metrics.series.all()[0].size(); n != 0 {
				t.Errorf("%s: %d idle series are left", temporality, n)
			}
		})
	}
}

func TestAFullTableOfSeriesThatWaitCountsNewcomersInTheOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := refuse(TemporalityCumulative)
		p := start(t, Options{MetricInterval: time.Minute}, destination{name: "fails", metrics: fails})
		connectEach(p, maxSeries-1)
		pass(3 * time.Hour)
		newcomer := measuring(measureOf(&telemetry.TCPConnections, 1, command("new")))
		p.Handle(newcomer)
		fails.recover()
		pass(time.Minute)
		if total, series := fails.took(); total != maxSeries || series[overflowName].value != 1 {
			t.Errorf("took %d connections, %+v", total, series[overflowName])
		}
		p.Handle(newcomer)
		pass(time.Minute)
		if _, series := fails.took(); len(series) != 2 || series["kerntap.command=new"].value != 1 {
			t.Errorf("series = %v, want the newcomer's and the overflow, which is not idle", series)
		}
	})
}
