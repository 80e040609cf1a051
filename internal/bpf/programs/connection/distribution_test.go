package connection_test

import (
	"math/big"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// exactBounds are 2^(k/4) seconds in nanoseconds, to far more digits than a float64 has.
func exactBounds() []*big.Float {
	root := new(big.Float).SetPrec(200).SetInt64(2)
	root.Sqrt(root).Sqrt(root) // 2^(1/4)
	bound := new(big.Float).SetPrec(200).SetInt64(int64(time.Second))
	for range -telemetry.FirstBucket {
		bound.Quo(bound, root)
	}
	bounds := make([]*big.Float, telemetry.BucketCount+1)
	for i := range bounds {
		bounds[i] = new(big.Float).Copy(bound)
		bound.Mul(bound, root)
	}
	return bounds
}

// distribute counts durations in user space, by their definition: bucket i ends at bound i+1, which belongs to it.
func distribute(durations []time.Duration) telemetry.Distribution {
	bounds := exactBounds()
	var d telemetry.Distribution
	for _, duration := range durations {
		value := new(big.Float).SetInt64(int64(duration))
		below := 0
		for below < len(bounds) && bounds[below].Cmp(value) < 0 {
			below++
		}
		d.Count++
		if below == 0 {
			d.Zero++
		} else {
			d.Buckets[min(below, telemetry.BucketCount)-1]++
		}
	}
	return d
}

// kind is what tells rows apart here.
type kind struct {
	command string
	role    connection.Role
	outcome connection.Outcome
	errno   syscall.Errno
}

// timed runs connections whose every record is kept, and returns by kind the durations that records tell and the
// distributions that the kernel counted.
func timed(t *testing.T, set func(*bpf.Session)) (map[kind][]time.Duration, map[kind]*telemetry.Distribution) {
	t.Helper()
	ns := bpftest.NewNamespace(t)
	session := bpf.NewSession(nil)
	session.DrainEvery = 50 * time.Millisecond
	set(session)
	t.Cleanup(func() { session.Close() })
	program := connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session))
	recorder := bpftest.Start(t, program)
	listening := ns.StartHelper(t, "kt-sink", "sink", "127.0.0.1:0").Line(t)
	for _, end := range []string{"fin", "rst"} {
		ns.StartHelper(t, "kt-"+end, "burst", listening, "300", end).Line(t)
	}
	refused := ns.StartHelper(t, "kt-refused", "client")
	for port := range 100 {
		refused.Send(t, "127.0.0.1:"+strconv.Itoa(port+1))
		refused.Line(t)
	}
	recorder.Stop(t)
	if stats := program.Status().Stats; stats.Lost+stats.Dropped+stats.Throttled > 0 {
		t.Fatalf("not every event has its record: %+v", stats)
	}
	recorded := make(map[kind][]time.Duration)
	for _, e := range bpftest.Find(recorder, func(e *connection.Event) bool { return e.Duration > 0 }) {
		of := kind{e.Command, e.Role, e.Outcome, e.Errno}
		recorded[of] = append(recorded[of], e.Duration)
	}
	counted := make(map[kind]*telemetry.Distribution)
	for _, e := range bpftest.Find(recorder, func(e *connection.Tally) bool { return e.Distribution != nil }) {
		of := kind{e.Command, e.Role, e.Outcome, e.Errno}
		if counted[of] == nil {
			counted[of] = new(telemetry.Distribution)
		}
		counted[of].Add(e.Distribution)
	}
	return recorded, counted
}

func TestTheKernelCountsDurationsToTheBucket(t *testing.T) {
	recorded, counted := timed(t, func(*bpf.Session) {})
	if len(recorded) < 7 || len(recorded) != len(counted) {
		t.Errorf("%d kinds in records, %d in tallies", len(recorded), len(counted))
	}
	for of, durations := range recorded {
		want, got := distribute(durations), counted[of]
		if got == nil {
			t.Errorf("%+v: %d records and no distribution", of, len(durations))
			continue
		}
		var sum time.Duration
		for _, duration := range durations {
			sum += duration
		}
		if off := got.Sum - sum.Seconds(); off > 1e-9 || off < -1e-9 {
			t.Errorf("%+v: sum %g s, want %g", of, got.Sum, sum.Seconds())
		}
		if want.Sum = got.Sum; *got != want {
			t.Errorf("%+v of %d durations:\n%v\nwant\n%v", of, len(durations), *got, want)
		}
	}
}

// Without room for one more distribution all that is known is the outcome, and none is lost.
func TestDurationsWithoutRoomAreCountedByTheirOutcome(t *testing.T) {
	recorded, counted := timed(t, func(session *bpf.Session) {
		session.MapBytes, session.RowsBy = 1, bpf.RowsBy{ServerPort: true} // 64 distributions, for more ports than that
		session.DrainEvery = time.Minute
	})
	var want, got, spilled uint64
	for _, durations := range recorded {
		want += uint64(len(durations))
	}
	for of, d := range counted {
		got += d.Count
		if of == (kind{outcome: connection.OutcomeFailed}) {
			spilled += d.Count
		}
	}
	if got != want {
		t.Errorf("%d durations were counted, want %d", got, want)
	}
	if spilled == 0 {
		t.Errorf("there was room for all %d", got)
	}
}
