package programs_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"go.uber.org/goleak"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// defaults are settings that change nothing.
type defaults struct{}

func (defaults) Decode(any) error { return nil }

// runOnce starts every program, calls while they run, and stops them.
func runOnce(t *testing.T, running func()) {
	t.Helper()
	session := bpf.NewSession(nil)
	manager := bpf.NewManager()
	storage := bpf.NewInMemoryStorage()
	for _, entry := range programs.All() {
		program, err := entry.New(defaults{}, storage, bpf.WithSession(session))
		if err != nil {
			t.Fatal(err)
		}
		if err := manager.RegisterProgram(program); err != nil {
			t.Fatal(err)
		}
	}
	dispatched := make(chan struct{})
	go func() {
		defer close(dispatched)
		for range manager.GetAggregatedEvents() {
			continue
		}
	}()
	loader := bpf.NewLoader(manager, session)
	if err := loader.LoadAndAttach(); err != nil {
		t.Fatal(err)
	}
	running()
	if err := loader.Cleanup(); err != nil {
		t.Fatal(err)
	}
	<-dispatched
}

func TestStartAndStopLeaveNothingBehind(t *testing.T) {
	bpftest.Require(t)
	objects := make(map[object]bool)
	runOnce(t, func() {}) // what the first run keeps on purpose: caches of the kernel's types
	before := openFiles(t)
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	for range rounds {
		runOnce(t, func() {
			for _, o := range kernelObjects(t) {
				objects[o] = true
			}
		})
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d file descriptors before, %d after %d runs", before, after, rounds)
	}
	if len(objects) < rounds*len(programs.All()) {
		t.Fatalf("only %d programs and maps were found in %d runs", len(objects), rounds)
	}
	awaitGone(t, objects)
}

// object is one BPF program or map of this process, by the kernel's id.
type object struct {
	kind string
	id   uint32
}

// kernelObjects reads the ids of this process's own programs and maps, so that what others run does not matter.
func kernelObjects(t testing.TB) []object {
	t.Helper()
	var found []object
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		file, err := os.Open(info)
		if err != nil {
			continue // the descriptor of the directory listing itself
		}
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			var o object
			if strings.HasPrefix(lines.Text(), "prog_id:") || strings.HasPrefix(lines.Text(), "map_id:") {
				fmt.Sscan(strings.Replace(lines.Text(), "_id:", " ", 1), &o.kind, &o.id)
				found = append(found, o)
			}
		}
		file.Close()
	}
	return found
}

// awaitGone waits until the kernel has freed every object, which it does a little after the last reference went.
func awaitGone(t *testing.T, objects map[object]bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		runtime.GC() // a map of constants is mapped into memory, and unmapped by its finalizer
		for o := range objects {
			if !o.exists(t) {
				delete(objects, o)
			}
		}
		if len(objects) == 0 {
			return
		}
		select {
		case <-retry.C:
		case <-deadline:
			t.Fatalf("still in the kernel: %v", objects)
		}
	}
}

func (o object) exists(t *testing.T) bool {
	var err error
	var closer interface{ Close() error }
	if o.kind == "prog" {
		closer, err = ebpf.NewProgramFromID(ebpf.ProgramID(o.id))
	} else {
		closer, err = ebpf.NewMapFromID(ebpf.MapID(o.id))
	}
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	closer.Close()
	return true
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
