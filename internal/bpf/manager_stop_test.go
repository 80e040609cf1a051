package bpf_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
)

// fill makes a program report n events, in portions that its channel holds, while the forwarder keeps up.
func fill(p *fakeProgram, n int) {
	for n > 0 {
		portion := min(n, fakeBuffer)
		for range portion {
			p.emit()
		}
		n -= portion
		synctest.Wait()
	}
}

func TestASlowConsumerLosesNothingInTheManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const surplus = 7
		program := newFake("a")
		manager := started(t, program)
		// the aggregated channel, one in the forwarder's hands, the program's own channel: all of it is room
		fill(program, bpf.AggregateBuffer+1)
		fill(program, fakeBuffer)
		if stats := program.Status().Stats; stats.Dropped != 0 {
			t.Errorf("%d events dropped while there was room", stats.Dropped)
		}
		fill(program, surplus)
		const room = bpf.AggregateBuffer + 1 + fakeBuffer
		if stats := program.Status().Stats; stats.Dropped != surplus || stats.Delivered != room {
			t.Errorf("%d dropped, %d delivered, want %d and %d", stats.Dropped, stats.Delivered, surplus, room)
		}
		consumer := collect(manager)
		if err := manager.StopAll(); err != nil {
			t.Error(err)
		}
		if got := consumer.perType()["a"]; got != room {
			t.Errorf("%d events arrived, want %d", got, room)
		}
		if err := consumer.inOrder(); err != nil {
			t.Error(err)
		}
	})
}

func TestAConsumerThatNeverReadsDelaysTheStopByTheDrainTimeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quiet, busy := newFake("quiet"), newFake("busy")
		manager := started(t, quiet, busy)
		fill(busy, bpf.AggregateBuffer+1+fakeBuffer)
		before := time.Now()
		if err := manager.StopAll(); err != nil {
			t.Error(err)
		}
		if took := time.Since(before); took != bpf.DrainTime {
			t.Errorf("the stop took %v, want %v", took, bpf.DrainTime)
		}
		stats := manager.Statuses()[1].Stats
		if stats.Dropped != 1+fakeBuffer || stats.Delivered != bpf.AggregateBuffer {
			t.Errorf("%d dropped, %d delivered, want %d unsent ones dropped and the channel's %d delivered",
				stats.Dropped, stats.Delivered, 1+fakeBuffer, bpf.AggregateBuffer)
		}
		if stats := manager.Statuses()[0].Stats; stats != (bpf.Stats{}) {
			t.Errorf("the quiet program counts %+v", stats)
		}
	})
}

func TestStopAllWhileEventsAreSentDeliversEveryOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fakes := []*fakeProgram{newFake("a"), newFake("b"), newFake("c")}
		manager := started(t, fakes...)
		consumer := collect(manager)
		var sending sync.WaitGroup
		running := make(chan struct{}, len(fakes))
		for _, fake := range fakes {
			sending.Go(func() {
				fake.emit()
				running <- struct{}{}
				for fake.emit() {
					continue
				}
			})
			<-running
		}
		if err := manager.StopAll(); err != nil {
			t.Error(err)
		}
		sending.Wait()
		got := consumer.perType()
		for i, status := range manager.Statuses() {
			stats := status.Stats
			if stats.Seen != stats.Delivered+stats.Dropped || uint64(got[fakes[i].name]) != stats.Delivered {
				t.Errorf("%s: %d arrived of %+v", status.Name, got[status.Name], stats)
			}
		}
	})
}

func TestProgramsStopInReverseOrderAndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		manager, journal := manage(t, newFake("a"), newFake("b"), newFake("c"))
		if err := run(manager); err != nil {
			t.Fatal(err)
		}
		var stopping sync.WaitGroup
		for range 4 {
			stopping.Go(func() {
				if err := manager.StopAll(); err != nil {
					t.Error(err)
				}
			})
		}
		stopping.Wait()
		want := []string{"stop c", "stop b", "stop a"}
		if got := journal.all(); !slices.Equal(got[len(got)-3:], want) || len(got) != 12 {
			t.Errorf("asked to %v, want to end with %v", got, want)
		}
		if _, open := <-manager.GetAggregatedEvents(); open {
			t.Error("the aggregated channel is open after StopAll")
		}
	})
}

func TestAProgramThatCannotStopLeavesTheOthersStopped(t *testing.T) {
	a, stubborn, c := newFake("a"), newFake("stubborn"), newFake("c")
	stubborn.fails["stop"] = errors.New("stubborn stays")
	manager := started(t, a, stubborn, c)
	if err := manager.StopAll(); !errors.Is(err, stubborn.fails["stop"]) {
		t.Errorf("error %v, want that of the one that stays", err)
	}
	if a.IsRunning() || c.IsRunning() {
		t.Error("the others run")
	}
}

func TestAStoppedManagerDoesNotStartAgain(t *testing.T) {
	manager := started(t, newFake("a"))
	if err := manager.StopAll(); err != nil {
		t.Fatal(err)
	}
	for name, verb := range map[string]func() error{
		"register": func() error { return manager.RegisterProgram(newFake("b")) },
		"load":     manager.LoadAll,
		"attach":   manager.AttachAll,
		"start":    manager.StartAll,
	} {
		if err := verb(); !errors.Is(err, bpf.ErrStopped) {
			t.Errorf("%s: %v, want ErrStopped", name, err)
		}
	}
}

func TestUnregisterStopsAndForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newFake("a"), newFake("b")
		manager := started(t, a, b)
		consumer := collect(manager)
		a.emit()
		if err := manager.UnregisterProgram("a"); err != nil {
			t.Error(err)
		}
		if a.IsRunning() || !slices.Equal(manager.ListPrograms(), []string{"b"}) || len(manager.Statuses()) != 1 {
			t.Errorf("a runs: %v, listed %v", a.IsRunning(), manager.ListPrograms())
		}
		if err := manager.UnregisterProgram("a"); err == nil {
			t.Error("a was unregistered twice")
		}
		b.emit()
		if err := manager.StopAll(); err != nil {
			t.Error(err)
		}
		if got := consumer.perType(); got["a"] != 1 || got["b"] != 1 {
			t.Errorf("delivered %v, want one of each", got)
		}
		if got := a.journal.all(); slices.Index(got, "stop a") != len(got)-2 {
			t.Errorf("asked to %v, want each stopped once", got)
		}
	})
}

func TestUnregisterBesideAConsumerThatNeverReadsEndsWithTheManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		program := newFake("a")
		manager := started(t, program)
		fill(program, bpf.AggregateBuffer+1)
		unregistered := make(chan error)
		go func() { unregistered <- manager.UnregisterProgram("a") }()
		synctest.Wait()
		if err := manager.StopAll(); err != nil {
			t.Error(err)
		}
		if err := <-unregistered; err != nil {
			t.Error(err)
		}
	})
}

// Tallies that nobody takes before the end are told as what they are: events whose count is lost.
func TestTalliesThatNobodyTakesAreCountedAsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFake("a")
		manager := started(t, a)
		for range bpf.AggregateBuffer/fakeBuffer + 1 { // the aggregated channel and more
			for range fakeBuffer {
				a.emit()
			}
			synctest.Wait()
		}
		a.events <- &fakeTally{bpf.RowTally{N: 7}}
		a.events <- &bpf.ProcessTally{}
		if err := manager.StopAll(); err != nil {
			t.Error(err)
		}
		if stats := manager.Statuses()[0].Stats; stats.TalliesLost != 7 || stats.Seen != stats.Delivered+stats.Dropped {
			t.Errorf("%+v, want 7 events in lost tallies", stats)
		}
	})
}
