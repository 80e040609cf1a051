package export

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// ear is a reader's destination. It keeps what was delivered to it.
type ear struct {
	producer *producer
	since    time.Time              // of the last delivery
	behind   bool                   // some series were not delivered since
	until    map[string]time.Time   // of each series' last delivery
	numbers  map[string]int64       // by series; of a cumulative reader by start as well
	points   telemetry.Distribution // of all exponential points
}

// newEars returns a destination for each of the table's readers.
func newEars(table *seriesTable) []*ear {
	var ears []*ear
	for _, p := range table.producers {
		ears = append(ears, &ear{producer: p, since: epoch(), numbers: map[string]int64{}, until: map[string]time.Time{}})
	}
	return ears
}

// hear collects and has it delivered.
func (e *ear) hear(t *testing.T, now time.Time) { e.hearPart(t, now, 1) }

// hearPart collects and has the first part of each metric delivered, and the rest not.
func (e *ear) hearPart(t *testing.T, now time.Time, part float64) {
	t.Helper()
	var owed []span
	for name, m := range collectOnly(t, e.producer) {
		points := dividable(m.Data)
		n := int(part * float64(points.n))
		if n < points.n {
			owed = append(owed, span{name, n, points.n})
		}
		heard := points.cut(0, n)
		for _, p := range pointsOf(heard) {
			e.enter(t, name+" "+p.name, p)
		}
		exponential, _ := heard.(metricdata.ExponentialHistogram[float64])
		for _, p := range exponential.DataPoints {
			e.points.Sum += p.Sum
			for i, n := range p.PositiveBucket.Counts {
				e.points.Buckets[int(p.PositiveBucket.Offset)-telemetry.FirstBucket+i] += n
			}
		}
	}
	e.producer.acknowledge(owed...)
	if len(owed) == 0 {
		e.since, e.behind = now, false
	} else {
		e.behind = true
	}
}

// enter enters a point. One of delta temporality begins where those end that were delivered before.
func (e *ear) enter(t *testing.T, series string, p anyPoint) {
	t.Helper()
	if !e.producer.form.deltaCounters {
		e.numbers[series+" "+p.start.String()] = p.value
		return
	}
	e.numbers[series] += p.value
	if !e.behind && !p.start.Equal(e.since) || p.start.Before(e.until[series]) || p.start.Before(e.since) {
		t.Errorf("%s begins at %s, want %s, was told until %s", series, p.start, e.since, e.until[series])
	}
	e.until[series] = p.time
}

// check fails unless all that was counted was delivered, once.
func (e *ear) check(t *testing.T, connections int64, durations *telemetry.Distribution) {
	t.Helper()
	var total int64
	for _, n := range e.numbers {
		total += n
	}
	if want := connections + int64(durations.Count); total != want {
		t.Errorf("reader %d was delivered %d, want %d", e.producer.index, total, want)
	}
	if e.producer.form.histograms != exponentialBuckets {
		return
	}
	if e.points.Buckets != durations.Buckets || math.Abs(e.points.Sum-durations.Sum) > 1e-6 {
		t.Errorf("reader %d was delivered %v, want %v", e.producer.index, e.points, *durations)
	}
}

// TestWhatIsDeliveredAddsUpWhateverFails has exports fail at random, for long enough that series wait to leave.
func TestWhatIsDeliveredAddsUpWhateverFails(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 2))
		clock := &hand{}
		table := newTable(t, clock, nil, append(deltas(), formFor(TemporalityCumulative, false))...)
		ears := newEars(table)
		var connections int64
		var durations telemetry.Distribution
		for range 2000 {
			e, label := ears[random.IntN(len(ears))], command(random.IntN(10))
			switch random.IntN(7) {
			case 0:
				n := random.IntN(100)
				table.addNow(measureOf(&telemetry.TCPConnections, float64(n), label))
				connections += int64(n)
			case 1:
				m := measureOf(&telemetry.TCPConnectDuration, random.ExpFloat64(), label)
				table.addNow(m)
				durations.Add(m.Distribution)
			case 2:
				clock.passed += time.Duration(random.Int64N(int64(4 * time.Minute)))
			case 3, 4:
				collectOnly(t, e.producer) // and the export fails
			case 5:
				e.hear(t, clock.now())
			case 6:
				e.hearPart(t, clock.now(), random.Float64())
			}
		}
		for _, e := range ears {
			e.hear(t, clock.now())
			e.check(t, connections, &durations)
		}
	}
}
