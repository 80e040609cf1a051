package bpf_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
	"github.com/kerntap/kerntap/internal/filter"
)

// recording are settings of both programs that want records of some kinds.
type recording []string

func (r recording) Decode(into any) error {
	switch config := into.(type) {
	case *connection.Config:
		config.Records = r
	case *packet_drop.Config:
		config.Records = r
	}
	return nil
}

// refusedIn makes n connects inside a namespace that are refused.
func refusedIn(ns *bpftest.Namespace, n int) {
	ns.Do(func() {
		for range n {
			if conn, err := net.Dial("tcp", "127.0.0.1:1"); err == nil {
				conn.Close()
			}
		}
	})
}

// settle returns once the recorder has everything that the program has recorded so far.
func settle(t *testing.T, program *bpf.Program, recorder *bpftest.Recorder) {
	t.Helper()
	want := int(program.Status().Stats.Recorded)
	found := bpftest.AwaitN(recorder, want, 20*time.Second, func(bpf.Described) bool { return true })
	if len(found) < want {
		t.Fatalf("%d of %d records arrived", len(found), want)
	}
}

// A program that runs follows another throttle and another scope at once, and misses nothing meanwhile.
func TestARunningProgramIsTuned(t *testing.T) {
	const n = 50
	ns := bpftest.NewNamespace(t)
	session := bpf.NewSession(nil)
	t.Cleanup(func() { session.Close() })
	session.Throttle, session.DrainEvery = bpf.Throttle{Row: 1, Program: 1, First: 1}, time.Minute
	program := connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session))
	recorder := bpftest.Start(t, program)
	recorded := func() int {
		refusedIn(ns, n)
		settle(t, program, recorder)
		return len(bpftest.Find(recorder, func(e *connection.Event) bool { return e.NetNS == ns.Inode }))
	}
	throttled := recorded()
	session.Tune(bpf.Throttle{}, 0, filter.Rules{})
	if err := program.Retune(nil); err != nil {
		t.Fatal(err)
	}
	free := recorded()
	session.Tune(bpf.Throttle{}, ns.Inode+1, filter.Rules{})
	if err := program.Retune(nil); err != nil {
		t.Fatal(err)
	}
	filtered := program.Status().Stats.Filtered
	outside := recorded()
	if throttled > 3 || free-throttled != n || outside != free {
		t.Errorf("%d records while throttled, %d more without, %d more outside of the scope", throttled, free-throttled, outside-free)
	}
	if got := program.Status().Stats.Filtered - filtered; got < n {
		t.Errorf("%d filtered, want %d", got, n)
	}
	recorder.Stop(t)
	s := program.Status().Stats
	if s.Tallied != s.Recorded+s.Throttled+s.Counted+s.Lost || s.Tallied < 2*n || s.TalliesLost != 0 {
		t.Errorf("it does not add up: %+v", s)
	}
}

// What is sent as a log record changes while the program runs; what is wrong is refused and changes nothing.
func TestTheSettingsOfARunningProgramChange(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	program := connection.NewProgram(bpf.NewInMemoryStorage())
	recorder := bpftest.Start(t, program)
	last := func() bpf.Detail {
		refusedIn(ns, 1)
		settle(t, program, recorder)
		found := bpftest.Find(recorder, func(e *connection.Event) bool { return e.NetNS == ns.Inode })
		return found[len(found)-1].Detail()
	}
	if got := last(); got != bpf.Exported {
		t.Errorf("by default: detail %d", got)
	}
	if err := program.Retune(recording{"closed"}); err != nil {
		t.Fatal(err)
	}
	if err := program.Retune(recording{"sometimes"}); err == nil || !strings.Contains(err.Error(), `"sometimes" is not one of`) {
		t.Errorf("nonsense is answered with %v", err)
	}
	if got := last(); got != bpf.Kept {
		t.Errorf("when nobody wants failures: detail %d", got)
	}
}

// The kernel is told which drops nobody wants a record of, and told again.
func TestDropsAreRecordedOnceTheyAreWanted(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	program := packet_drop.NewProgram(bpf.NewInMemoryStorage())
	recorder := bpftest.Start(t, program)
	recorded := func() int {
		healthy(t, ns)
		settle(t, program, recorder)
		return len(bpftest.Find(recorder, func(e *packet_drop.Event) bool {
			return e.NetNS == ns.Inode && e.Class() == packet_drop.ClassCleanup && e.Detail() == bpf.Exported
		}))
	}
	if got := recorded(); got != 0 {
		t.Errorf("%d records of clean-up that nobody wants", got)
	}
	if err := program.Retune(recording{"loss", "cleanup"}); err != nil {
		t.Fatal(err)
	}
	if recorded() == 0 {
		t.Error("no record of clean-up although it is wanted")
	}
}

// healthy opens a connection inside a namespace and ends it in order.
func healthy(t *testing.T, ns *bpftest.Namespace) {
	t.Helper()
	ns.Do(func() {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Error(err)
			return
		}
		defer listener.Close()
		client, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		server, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		client.Close()
		server.Close()
	})
}

func TestAProgramWhoseSettingsAreFixedSaysSo(t *testing.T) {
	bpftest.Require(t)
	fixed := bpf.NewProgram(bpf.Spec{Name: "fixed", Object: func() (*ebpf.CollectionSpec, error) {
		spec, err := object(ebpf.Tracing, nil)()
		if err == nil {
			spec.Programs = nil
		}
		return spec, err
	}}, bpf.NewInMemoryStorage())
	if err := fixed.Retune(recording{}); err != nil {
		t.Errorf("a program that is not loaded cannot be tuned: %v", err)
	}
	if err := fixed.Load(); err != nil {
		t.Fatal(err)
	}
	if err := fixed.Retune(recording{}); !errors.Is(err, bpf.ErrFixed) {
		t.Errorf("error %v", err)
	}
	if err := errors.Join(fixed.Retune(nil), fixed.Stop()); err != nil {
		t.Error(err)
	}
}
