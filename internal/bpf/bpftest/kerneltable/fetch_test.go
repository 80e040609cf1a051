package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// A kernel that cannot be fetched fails whoever asks for it, with one line that says which: it is not skipped.
func TestAKernelThatCannotBeFetchedIsAFailure(t *testing.T) {
	if os.Geteuid() != 0 {
		bpftest.Missing(t, "needs root, to be without a network")
	}
	for series, want := range map[string]string{
		"5.10": "kernels: 5.10 for amd64 cannot be fetched: ",
		"4.19": "kernels: 4.19 for amd64 cannot be fetched: known are ",
	} {
		cmd := exec.Command("../../../../scripts/kernels.sh", series)
		cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir())
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		var said strings.Builder
		cmd.Stderr = &said
		printed, err := cmd.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("%s: %v, %s", series, err, &said)
		}
		if lines := strings.Split(strings.TrimSpace(said.String()), "\n"); !strings.HasPrefix(lines[len(lines)-1], want) || len(printed) > 0 {
			t.Errorf("%s: printed %q, said %q", series, printed, &said)
		}
	}
}
