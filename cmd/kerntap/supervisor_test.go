package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs"
	"github.com/kerntap/kerntap/internal/config"
)

// serviceManager is the socket that systemd would hold.
type serviceManager struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func newServiceManager(t *testing.T) serviceManager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return serviceManager{t, conn, path}
}

// hear returns what it is told next, "" if that is nothing for so long.
func (m serviceManager) hear(patience time.Duration) string {
	m.t.Helper()
	buffer := make([]byte, 4096)
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.t.Fatal(err)
	}
	n, err := m.conn.Read(buffer)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ""
	} else if err != nil {
		m.t.Fatal(err)
	}
	return string(buffer[:n])
}

const alive = "WATCHDOG=1"

func TestTheServiceManagerIsToldOfStartLifeAndEnd(t *testing.T) {
	bpftest.Require(t)
	manager := newServiceManager(t)
	kerntap := startAs(t, func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+manager.path, "WATCHDOG_USEC=400000")
	}, "run", "--listen", "off", "--console", "none")
	var running []string
	for _, entry := range programs.All() {
		running = append(running, entry.Name+" running")
	}
	if said := manager.hear(bpftestPatience); said != "READY=1\nSTATUS="+strings.Join(running, ", ") {
		t.Fatalf("first it is told %q", said)
	}
	for range 5 {
		if said := manager.hear(bpftestPatience); said != alive {
			t.Fatalf("then it is told %q", said)
		}
	}
	kerntap.end()
	said := manager.hear(bpftestPatience)
	for said == alive {
		said = manager.hear(bpftestPatience)
	}
	if after := manager.hear(time.Second); said != "STOPPING=1" || after != "" {
		t.Errorf("at the end it is told %q, then %q", said, after)
	}
}

// stubborn is a program whose events keep whoever handles them.
type stubborn struct {
	bpf.BPFProgram // what nobody calls here
	events         chan bpf.BPFEvent
	drains         atomic.Uint64
}

func (s *stubborn) GetName() string                      { return "stubborn" }
func (s *stubborn) GetDescription() string               { return "keeps its dispatcher" }
func (s *stubborn) Load() error                          { return nil }
func (s *stubborn) Attach() error                        { return nil }
func (s *stubborn) Start(context.Context) error          { return nil }
func (s *stubborn) Stop() error                          { close(s.events); return nil }
func (s *stubborn) GetEventChannel() <-chan bpf.BPFEvent { return s.events }
func (s *stubborn) Status() bpf.Status {
	return bpf.Status{Name: "stubborn", State: bpf.Running, Drains: s.drains.Add(1)}
}

// holding is an event that is not let go.
type holding struct {
	bpf.BaseEvent
	until chan struct{}
}

func (h *holding) GetEventType() string { <-h.until; return "holding" }

func TestAHungDispatcherStopsTheWatchdog(t *testing.T) {
	manager := newServiceManager(t)
	t.Setenv("NOTIFY_SOCKET", manager.path)
	t.Setenv("WATCHDOG_USEC", "200000")
	c, err := config.Load(config.Source{Environ: []string{"OTEL_SDK_DISABLED=true", "KERNTAP_LEDGER_INTERVAL=100ms"}})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	e, err := newEngine(c, log)
	if err != nil {
		t.Fatal(err)
	}
	program := &stubborn{events: make(chan bpf.BPFEvent)}
	if err := errors.Join(e.manager.RegisterProgram(program), e.export(environment{}, c), e.manager.LoadAll(),
		e.manager.AttachAll(), e.manager.StartAll()); err != nil {
		t.Fatal(err)
	}
	e.dispatching.Go(e.dispatch)
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { supervisor{log}.watchdog(ctx, e.signs) })

	expect := func(when, want string) {
		t.Helper()
		deadline := time.Now().Add(bpftestPatience)
		for said := manager.hear(time.Second); said != want; said = manager.hear(time.Second) {
			if time.Now().After(deadline) {
				t.Fatalf("%s it is still told %q", when, said)
			}
		}
	}
	expect("at first", alive)
	held := &holding{until: make(chan struct{})}
	program.events <- held
	expect("while the dispatcher hangs", "")
	close(held.until)
	expect("when it goes on", alive)
	cancel()
	watching.Wait()
	if err := e.stop(); err != nil {
		t.Error(err)
	}
}

func TestPulse(t *testing.T) {
	var p pulse
	p.patience = 10 * time.Second
	begin := time.Now()
	for _, step := range []struct {
		second int
		signs  []sign
		stuck  string
	}{
		{0, []sign{{name: "a"}, {name: "b", idle: true}}, ""},
		{10, []sign{{name: "a"}, {name: "b", idle: true}}, ""},
		{11, []sign{{name: "a"}, {name: "b", idle: true}}, "a"},
		{12, []sign{{name: "a", count: 1}, {name: "b"}}, ""},  // it goes on
		{22, []sign{{name: "a", count: 2}, {name: "b"}}, "b"}, // idle until 11
		{23, []sign{{name: "a", count: 2}, {name: "c"}}, ""},  // a program that has ended is none that is stuck
		{53, []sign{{name: "a", count: 2, every: 11 * time.Second}, {name: "c", every: 10 * time.Second}}, ""},
		{56, []sign{{name: "a", count: 2, every: 11 * time.Second}, {name: "c", every: 10 * time.Second}}, "a, c"},
	} {
		if stuck := strings.Join(p.feel(step.signs, begin.Add(time.Duration(step.second)*time.Second)), ", "); stuck != step.stuck {
			t.Errorf("after %d s %q is stuck, want %q", step.second, stuck, step.stuck)
		}
	}
}
