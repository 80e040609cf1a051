package bpf_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/kerntap/kerntap/internal/bpf"
)

var errNoObject = errors.New("the object is broken")

// broken is a program whose object cannot be read, so that it never gets as far as the kernel.
func broken(storage bpf.EventStorage) *bpf.Program {
	return bpf.NewProgram(bpf.Spec{
		Name:        "broken",
		Description: "fails",
		ObjectPath:  "bpf/broken.bpf.c",
		Object:      func() (*ebpf.CollectionSpec, error) { return nil, errNoObject },
	}, storage)
}

// isClosed tells whether a program's channel is closed and empty.
func isClosed(program *bpf.Program) bool {
	select {
	case _, open := <-program.GetEventChannel():
		return !open
	default:
		return false
	}
}

func TestANewProgramHasDoneNothing(t *testing.T) {
	program := broken(bpf.NewInMemoryStorage())
	if program.GetName() != "broken" || program.GetDescription() != "fails" || program.GetObjectPath() != "bpf/broken.bpf.c" {
		t.Errorf("it is %s, %s, %s", program.GetName(), program.GetDescription(), program.GetObjectPath())
	}
	status := program.Status()
	if status.Name != "broken" || status.Description != "fails" || status.State != bpf.New || status.Reason != "" {
		t.Errorf("status %+v", status)
	}
	if program.IsRunning() || isClosed(program) {
		t.Error("it runs or has ended")
	}
}

func TestVerbsOutOfOrderAreRefused(t *testing.T) {
	load := func(p *bpf.Program) error { return p.Load() }
	attach := func(p *bpf.Program) error { return p.Attach() }
	start := func(p *bpf.Program) error { return p.Start(context.Background()) }
	stop := func(p *bpf.Program) error { return p.Stop() }
	for _, test := range []struct {
		name   string
		before func(*bpf.Program) error
		verb   func(*bpf.Program) error
		want   string
		left   bpf.State
	}{
		{"attach a new one", nil, attach, "attach program broken: out of order: it is new, not loaded", bpf.New},
		{"start a new one", nil, start, "start program broken: out of order: it is new, not attached", bpf.New},
		{"load a failed one", load, load, "load program broken: out of order: it is failed, not new", bpf.Failed},
		{"attach a failed one", load, attach, "attach program broken: out of order: it is failed, not loaded", bpf.Failed},
		{"start a failed one", load, start, "start program broken: out of order: it is failed, not attached", bpf.Failed},
		{"load a stopped one", stop, load, "load program broken: out of order: it is stopped, not new", bpf.Stopped},
		{"start a stopped one", stop, start, "start program broken: out of order: it is stopped, not attached", bpf.Stopped},
	} {
		t.Run(test.name, func(t *testing.T) {
			program := broken(bpf.NewInMemoryStorage())
			if test.before != nil {
				_ = test.before(program)
			}
			if err := test.verb(program); !errors.Is(err, bpf.ErrOutOfOrder) || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
			if state := program.Status().State; state != test.left {
				t.Errorf("it is %v, want %v: a refused verb changes nothing", state, test.left)
			}
		})
	}
}

func TestAProgramThatCannotLoadFailsWithItsReason(t *testing.T) {
	program := broken(bpf.NewInMemoryStorage())
	err := program.Load()
	const want = "load program broken: read object: the object is broken"
	if !errors.Is(err, errNoObject) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if status := program.Status(); status.State != bpf.Failed || status.Reason != want {
		t.Errorf("status %+v", status)
	}
	if !isClosed(program) || program.IsRunning() {
		t.Error("its channel is open, or it runs")
	}
	if err := program.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if status := program.Status(); status.State != bpf.Failed || status.Reason != want {
		t.Errorf("status after stop %+v, want the failure still told", status)
	}
}

func TestAProgramStopsInAnyStateAndAnyNumberOfTimes(t *testing.T) {
	for name, before := range map[string]func(*bpf.Program){
		"new":    func(*bpf.Program) {},
		"failed": func(p *bpf.Program) { _ = p.Load() },
	} {
		t.Run(name, func(t *testing.T) {
			program := broken(bpf.NewInMemoryStorage())
			before(program)
			var stopping sync.WaitGroup
			for range 8 {
				stopping.Go(func() {
					if err := program.Stop(); err != nil {
						t.Error(err)
					}
					if !isClosed(program) {
						t.Error("Stop returned while the channel was open")
					}
				})
			}
			stopping.Wait()
			if state := program.Status().State; (state == bpf.Stopped) == (name == "failed") {
				t.Errorf("it is %v", state)
			}
		})
	}
}

// hooked is an object of one function, which is never loaded.
func hooked() (*ebpf.CollectionSpec, error) {
	return &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"f": {SectionName: "tp_btf/somewhere"}}}, nil
}

func TestAProgramThatCannotBePreparedTellsItsHooks(t *testing.T) {
	errNotPrepared := errors.New("no such tracepoint")
	program := bpf.NewProgram(bpf.Spec{
		Name:    "unprepared",
		Object:  hooked,
		Prepare: func(*ebpf.CollectionSpec, *bpf.Session, *slog.Logger) error { return errNotPrepared },
	}, bpf.NewInMemoryStorage())
	if err := program.Load(); !errors.Is(err, errNotPrepared) {
		t.Errorf("error %v", err)
	}
	status := program.Status()
	if !slices.Equal(status.Hooks, []bpf.Hook{{Program: "f", Name: "tp_btf/somewhere"}}) {
		t.Errorf("hooks %+v, want the one that could not be attached", status.Hooks)
	}
	if status.State != bpf.Failed || !strings.HasSuffix(status.Reason, "no such tracepoint") {
		t.Errorf("status %+v", status)
	}
}

func TestAnObjectWithoutARingIsNoProgram(t *testing.T) {
	program := bpf.NewProgram(bpf.Spec{
		Name:   "mute",
		Object: func() (*ebpf.CollectionSpec, error) { return &ebpf.CollectionSpec{}, nil },
	}, bpf.NewInMemoryStorage())
	if err := program.Load(); err == nil || !strings.Contains(err.Error(), "lacks map events or outcomes") {
		t.Errorf("error %v", err)
	}
	if status := program.Status(); status.State != bpf.Failed || !isClosed(program) {
		t.Errorf("status %+v", status)
	}
}

func TestAProgramAnswersForItsOwnPast(t *testing.T) {
	storage := bpf.NewInMemoryStorage()
	program := broken(storage)
	now := time.Now()
	var own []bpf.BPFEvent
	for _, age := range []time.Duration{20 * time.Minute, 30 * time.Second, time.Second} {
		own = append(own, eventAt(now.Add(-age), "broken"))
	}
	other := &fakeEvent{bpf.BaseEvent{PID: 2, Command: "nginx", Timestamp: uint64(now.UnixNano())}, "broken"}
	for _, event := range append(own, other, eventAt(now, "another")) {
		if err := storage.Store(event); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		pid      uint32
		command  string
		duration int
		want     int
	}{{0, "", 3600, 4}, {1, "", 3600, 3}, {1, "", 60, 2}, {0, "NGINX", 60, 1}, {2, "curl", 60, 0}} {
		if got := program.GetSummary(test.pid, test.command, test.duration); got != test.want {
			t.Errorf("summary of pid %d, %q, %d s: %d, want %d", test.pid, test.command, test.duration, got, test.want)
		}
	}
	all := program.GetAllEvents()
	if len(all) != 2 || !slices.Equal(all[1], own) || !slices.Equal(all[2], []bpf.BPFEvent{other}) {
		t.Errorf("all events %v", all)
	}
}

// unreadable is a storage that cannot answer.
type unreadable struct{ bpf.EventStorage }

func (unreadable) GetByType(string, time.Time) ([]bpf.BPFEvent, error) {
	return nil, errors.New("the storage is gone")
}

func TestAStorageThatCannotAnswerGivesNoEvents(t *testing.T) {
	if all := broken(unreadable{}).GetAllEvents(); all == nil || len(all) != 0 {
		t.Errorf("all events %v, want an empty map", all)
	}
}
