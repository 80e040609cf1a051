package bpf_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
)

// attempt is an event that is listed as a connection, unless it is a server's.
type attempt struct {
	fakeEvent
	server bool
}

func (e *attempt) ConnectionInfo() (bpf.ConnectionInfo, bool) {
	return bpf.ConnectionInfo{PID: e.PID, Command: e.Command}, !e.server
}

// drop is an event that is listed as a packet drop.
type drop struct{ fakeEvent }

func (e *drop) PacketDropInfo() bpf.PacketDropInfo {
	return bpf.PacketDropInfo{PID: e.PID, Command: e.Command}
}

func from(pid uint32, command string) fakeEvent {
	return fakeEvent{bpf.BaseEvent{PID: pid, Command: command}, ""}
}

func load(t *testing.T, fakes ...*fakeProgram) (*bpf.Loader, *bpf.Manager, *journal) {
	t.Helper()
	manager, journal := manage(t, fakes...)
	loader := bpf.NewLoader(manager, bpf.NewSession(nil))
	t.Cleanup(func() {
		if err := loader.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	return loader, manager, journal
}

func TestLoadAndAttachRunsEveryProgram(t *testing.T) {
	a, b := newFake("a"), newFake("b")
	loader, _, journal := load(t, a, b)
	if err := loader.LoadAndAttach(); err != nil {
		t.Fatal(err)
	}
	want := []string{"load a", "load b", "attach a", "attach b", "start a", "start b"}
	if got := journal.all(); !slices.Equal(got, want) || !a.IsRunning() || !b.IsRunning() {
		t.Errorf("asked to %v, want %v", got, want)
	}
}

func TestLoadAndAttachLeavesOutTheOneThatFails(t *testing.T) {
	for _, verb := range []string{"load", "attach", "start"} {
		a, broken := newFake("a"), newFake("broken")
		broken.fails[verb] = &refusal{verb}
		loader, _, _ := load(t, a, broken)
		err := loader.LoadAndAttach()
		if !errors.Is(err, broken.fails[verb]) || errors.Is(err, bpf.ErrNoProgram) {
			t.Errorf("cannot %s: error %v", verb, err)
		}
		if !a.IsRunning() || broken.IsRunning() {
			t.Errorf("cannot %s: the wrong program runs", verb)
		}
	}
}

func TestLoadAndAttachGoesNoFurtherWithoutAProgram(t *testing.T) {
	a, b := newFake("a"), newFake("b")
	a.fails["load"], b.fails["load"] = errors.New("a fails"), errors.New("b fails")
	loader, _, journal := load(t, a, b)
	err := loader.LoadAndAttach()
	if !errors.Is(err, bpf.ErrNoProgram) || !errors.Is(err, a.fails["load"]) || !errors.Is(err, b.fails["load"]) {
		t.Errorf("error %v, want ErrNoProgram and both reasons", err)
	}
	if n := strings.Count(err.Error(), bpf.ErrNoProgram.Error()); n != 1 {
		t.Errorf("error %v says %d times that no program is left", err, n)
	}
	if got := journal.all(); !slices.Equal(got, []string{"load a", "load b"}) {
		t.Errorf("asked to %v", got)
	}
}

func TestCleanupStopsEverythingAndMayComeTwice(t *testing.T) {
	a := newFake("a")
	loader, manager, journal := load(t, a)
	if err := loader.LoadAndAttach(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := loader.Cleanup(); err != nil {
			t.Error(err)
		}
	}
	if _, open := <-manager.GetAggregatedEvents(); open || a.IsRunning() {
		t.Error("something still runs")
	}
	if got := journal.all(); !slices.Equal(got, []string{"load a", "attach a", "start a", "stop a"}) {
		t.Errorf("asked to %v", got)
	}
	if err := loader.LoadAndAttach(); !errors.Is(err, bpf.ErrStopped) || err.Error() != bpf.ErrStopped.Error() {
		t.Errorf("load after cleanup: %v, want ErrStopped alone", err)
	}
}

func TestSummariesAskTheProgramOfTheirType(t *testing.T) {
	loader, manager, _ := load(t, newFake("connection"))
	if got := loader.GetConnectionSummary(2, "curl", 60); got != 2460 {
		t.Errorf("connections %d, want 2460", got)
	}
	if got := loader.GetPacketDropSummary(2, "curl", 60); got != 0 {
		t.Errorf("drops %d, want 0 without that program", got)
	}
	if err := manager.RegisterProgram(newFake("packet_drop")); err != nil {
		t.Fatal(err)
	}
	if got := loader.GetPacketDropSummary(3, "", 7); got != 3007 {
		t.Errorf("drops %d, want 3007", got)
	}
}

func TestListsHoldWhatTheirContractCanShow(t *testing.T) {
	connections, drops := newFake("connection"), newFake("packet_drop")
	stray := from(1, "curl")
	connections.past = map[uint32][]bpf.BPFEvent{
		1: {&attempt{from(1, "curl"), false}, &stray, &attempt{from(1, "wget"), false}},
		2: {&attempt{from(2, "nginx"), true}},
	}
	drops.past = map[uint32][]bpf.BPFEvent{0: {&drop{from(0, "")}}, 1: {&stray}}
	loader, _, _ := load(t, connections, drops)
	wantConnections := map[uint32][]bpf.ConnectionInfo{1: {{PID: 1, Command: "curl"}, {PID: 1, Command: "wget"}}}
	if got := loader.GetAllConnections(); !reflect.DeepEqual(got, wantConnections) {
		t.Errorf("connections %v, want %v", got, wantConnections)
	}
	if got := loader.GetAllPacketDrops(); !reflect.DeepEqual(got, map[uint32][]bpf.PacketDropInfo{0: {{}}}) {
		t.Errorf("drops %v, want one of no known process", got)
	}
}

func TestListsAreEmptyWithoutTheirProgram(t *testing.T) {
	loader, _, _ := load(t)
	if got := loader.GetAllConnections(); got == nil || len(got) != 0 {
		t.Errorf("connections %v, want an empty map", got)
	}
	if got := loader.GetAllPacketDrops(); got == nil || len(got) != 0 {
		t.Errorf("drops %v, want an empty map", got)
	}
}

func TestTheSystemBootedBeforeNow(t *testing.T) {
	loader, _, _ := load(t)
	boot := loader.GetSystemBootTime()
	if !boot.Before(time.Now()) || boot.Location() != time.UTC {
		t.Errorf("boot time %v", boot)
	}
}
