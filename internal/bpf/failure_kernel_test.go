package bpf_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
)

// object has the maps of a real program and one function, with instructions and a type to choose.
func object(kind ebpf.ProgramType, instructions asm.Instructions) func() (*ebpf.CollectionSpec, error) {
	return func() (*ebpf.CollectionSpec, error) {
		spec, err := ebpf.LoadCollectionSpec("programs/connection/connection_bpfel.o")
		if err != nil {
			return nil, err
		}
		spec.Programs = map[string]*ebpf.ProgramSpec{"broken": {
			Name: "broken", Type: kind, SectionName: "broken/hook", Instructions: instructions, License: "GPL",
		}}
		return spec, nil
	}
}

// Each kind of failure is that program's own: the real one beside it goes on to see real connections.
func TestAProgramThatFailsLeavesTheOtherRunning(t *testing.T) {
	readUninitialised := asm.Instructions{asm.Mov.Reg(asm.R0, asm.R5), asm.Return()}
	harmless := asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}
	for _, test := range []struct {
		name   string
		object func() (*ebpf.CollectionSpec, error)
		want   string
	}{
		{"cannot load", object(ebpf.SocketFilter, readUninitialised), "R5 !read_ok"},
		{"cannot attach", object(ebpf.SocketFilter, harmless), "attach broken to broken/hook"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ns := bpftest.NewNamespace(t)
			storage := bpf.NewInMemoryStorage()
			broken := bpf.NewProgram(bpf.Spec{Name: "broken", Object: test.object}, storage)
			err := runBoth(t, ns, storage, broken, connection.NewProgram(storage), func() {})
			if err == nil || errors.Is(err, bpf.ErrNoProgram) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
			if status := broken.Status(); status.State != bpf.Failed || !strings.Contains(status.Reason, test.want) {
				t.Errorf("status is %+v", status)
			}
		})
	}
	t.Run("reader ends", func(t *testing.T) {
		ns := bpftest.NewNamespace(t)
		storage := bpf.NewInMemoryStorage()
		failing := renamed{connection.NewProgram(storage)}
		err := runBoth(t, ns, storage, failing, connection.NewProgram(storage), func() {
			if err := bpf.CloseRing(failing.Program); err != nil {
				t.Error(err)
			}
			for range failing.GetEventChannel() { // closed once the reader has ended
				continue
			}
		})
		if err != nil {
			t.Error(err)
		}
		status := failing.Status()
		if status.State != bpf.Failed || !strings.Contains(status.Reason, "the ring was closed") {
			t.Errorf("status is %+v", status)
		}
		for _, hook := range status.Hooks {
			if hook.Attached {
				t.Errorf("hook %s is still attached though nobody reads", hook.Name)
			}
		}
	})
}

// renamed is a second connection program under another name.
type renamed struct{ *bpf.Program }

func (renamed) GetName() string { return "failing" }

// runBoth runs both programs in one manager, lets one fail, and awaits a real event of the other.
func runBoth(t *testing.T, ns *bpftest.Namespace, storage bpf.EventStorage, failing, healthy bpf.BPFProgram,
	fail func()) error {
	t.Helper()
	manager := bpf.NewManager()
	for _, program := range []bpf.BPFProgram{failing, healthy} {
		if err := manager.RegisterProgram(program); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(manager.LoadAll(), manager.AttachAll(), manager.StartAll())
	fail()
	if failing.IsRunning() || !healthy.IsRunning() {
		t.Errorf("failing runs: %t, healthy runs: %t", failing.IsRunning(), healthy.IsRunning())
	}
	ns.Do(func() {
		if conn, err := net.Dial("tcp", "127.0.0.1:1"); err == nil {
			conn.Close()
		}
	})
	awaitFailure(t, manager.GetAggregatedEvents(), ns)
	if err := manager.StopAll(); err != nil {
		t.Error(err)
	}
	return err
}

// awaitFailure waits for the connect that failed in the namespace, and no longer than a program that runs needs.
func awaitFailure(t *testing.T, events <-chan bpf.BPFEvent, ns *bpftest.Namespace) {
	t.Helper()
	deadline := time.After(2 * time.Second)
	for {
		select {
		case event, open := <-events:
			if !open {
				t.Error("no program runs that could report the failed connect")
				return
			}
			if e, ok := event.(*connection.Event); ok && e.NetNS == ns.Inode && e.Outcome == connection.OutcomeFailed {
				return
			}
		case <-deadline:
			t.Error("the healthy program reported no failed connect")
			return
		}
	}
}
