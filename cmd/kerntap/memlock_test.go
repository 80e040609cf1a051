package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// checkLocked runs check as an ordinary user who may lock so many KiB of memory.
func checkLocked(t *testing.T, kib int) (r report) {
	t.Helper()
	binary, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	_, stdout, stderr := child(t, func(cmd *exec.Cmd) {
		asUser(withBPF | withPerfmon)(cmd)
		// a file that is open may be run by whoever could not get there
		cmd.Path, cmd.ExtraFiles = "/bin/sh", []*os.File{binary}
		limits := fmt.Sprintf(`ulimit -S -l %d && ulimit -H -l %d && exec /proc/self/fd/3 "$@"`, kib/2, kib)
		cmd.Args = append([]string{"sh", "-c", limits}, cmd.Args...)
	}, "check", "--json")
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v: %s, %s", err, stdout, stderr)
	}
	return r
}

// Before Linux 5.11 maps shrink to the memory that may be locked, and check says so, or what they take at least; later
// the limit does not matter.
func TestPrivilegesToLockLittleMemoryAreEnoughOrNamed(t *testing.T) {
	bpftest.Require(t)
	little, least := checkLocked(t, 8<<10), checkLocked(t, 64)
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
