package bpftest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
)

// patience is how long Await waits for an event: far longer than any takes, even on an emulated machine.
const patience = 20 * time.Second

// Recorder keeps every event of one running program.
type Recorder struct {
	program bpf.BPFProgram

	mu      sync.Mutex
	events  []bpf.BPFEvent
	arrived chan struct{} // closed and renewed at each event
	ended   chan struct{}
}

// Start loads, attaches and starts a program and records its events until the test ends.
func Start(t testing.TB, program bpf.BPFProgram) *Recorder {
	t.Helper()
	Require(t)
	for _, step := range []func() error{
		program.Load,
		program.Attach,
		func() error { return program.Start(t.Context()) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	r := &Recorder{program: program, arrived: make(chan struct{}), ended: make(chan struct{})}
	go r.record()
	t.Cleanup(func() { r.Stop(t) })
	return r
}

func (r *Recorder) record() {
	defer close(r.ended)
	for event := range r.program.GetEventChannel() {
		r.mu.Lock()
		r.events = append(r.events, event)
		close(r.arrived)
		r.arrived = make(chan struct{})
		r.mu.Unlock()
	}
}

// Stop stops the program and returns once every event that it had reported is recorded.
func (r *Recorder) Stop(t testing.TB) {
	t.Helper()
	if err := r.program.Stop(); err != nil {
		t.Error(err)
	}
	<-r.ended
}

// Missed returns how many runs of the program the kernel has skipped.
func (r *Recorder) Missed() uint64 {
	if told, ok := r.program.(bpf.Reporter); ok {
		return told.Status().Stats.Missed
	}
	return 0
}

// Events returns what was recorded so far, in order.
func (r *Recorder) Events() []bpf.BPFEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// Find returns the recorded events of one type that match.
func Find[E bpf.BPFEvent](r *Recorder, match func(E) bool) []E {
	var found []E
	for _, event := range r.Events() {
		if e, ok := event.(E); ok && match(e) {
			found = append(found, e)
		}
	}
	return found
}

// Await returns the first event of one type that matches, recorded already or still to come.
func Await[E bpf.BPFEvent](t testing.TB, r *Recorder, what string, match func(E) bool) E {
	t.Helper()
	found := AwaitN(r, 1, patience, match)
	if len(found) == 0 {
		t.Fatalf("no event: %s", what)
	}
	return found[0]
}

// AwaitN returns what matches as soon as n events do, or what there is when the time is over.
func AwaitN[E bpf.BPFEvent](r *Recorder, n int, within time.Duration, match func(E) bool) []E {
	deadline := time.After(within)
	for {
		r.mu.Lock()
		arrived := r.arrived
		r.mu.Unlock()
		found := Find(r, match)
		if len(found) >= n {
			return found
		}
		select {
		case <-arrived:
		case <-deadline:
			return found
		}
	}
}
