package main

import (
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// checkLocked runs check as an ordinary user who may lock so many bytes of memory.
func checkLocked(t *testing.T, bytes uint64) (r report) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &before); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &before); err != nil {
			t.Error(err)
		}
	}()
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: bytes / 2, Max: bytes}); err != nil {
		t.Fatal(err)
	}
	_, stdout, stderr := child(t, asUser(withBPF|withPerfmon), "check", "--json")
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v: %s, %s", err, stdout, stderr)
	}
	return r
}

// Before Linux 5.11 maps shrink to the memory that may be locked, and check says so, or what they take at least; later
// the limit does not matter.
func TestPrivilegesToLockLittleMemoryAreEnoughOrNamed(t *testing.T) {
	bpftest.Require(t)
	little, least := checkLocked(t, 8<<20), checkLocked(t, 64<<10)
	shrunk := 0
	for _, program := range little.Programs {
		if !program.Runs {
			t.Errorf("%s does not run with 8 MiB: %s", program.Name, program.Reason)
		}
		for _, reduction := range program.Reductions {
			if reduction.Name == "map_memory" {
				shrunk++
			}
		}
	}
	if shrunk != 0 && shrunk != len(little.Programs) {
		t.Errorf("%d programs shrink with 8 MiB", shrunk)
	}
	for _, program := range least.Programs {
		named := strings.Contains(program.Reason, "KiB of locked memory at least") && strings.Contains(program.Reason, "ulimit -l")
		if limited := shrunk > 0; program.Runs == limited || named != limited {
			t.Errorf("%s runs with 64 KiB: %v, %s", program.Name, program.Runs, program.Reason)
		}
	}
}
