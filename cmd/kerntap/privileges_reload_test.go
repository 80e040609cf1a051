package main

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// What a new configuration changes in the kernel, it changes after every capability has been dropped.
func TestPrivilegesAreNotNeededToReload(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	file, address := configured(t, "scope: host\n"), bpftest.FreeAddress(t)
	var said diagnostics
	kerntap := startAs(t, func(cmd *exec.Cmd) {
		asUser(withBPF | withPerfmon)(cmd)
		cmd.Stderr = &said
	}, "run", "--config", file, "--listen", address, "--console", "none")
	awaitReady(t, address)
	threads(t, kerntap.pid)

	name := "kt-r-" + strconv.Itoa(os.Getpid())
	ns.StartHelper(t, name, "dial", closed, closed).End(t)
	checkSum(t, address, "/api/connection-summary", name, 2)
	if err := errors.Join(os.WriteFile(file, []byte("scope: netns\n"), 0o644), syscall.Kill(kerntap.pid, syscall.SIGHUP)); err != nil {
		t.Fatal(err)
	}
	bpftest.Until(t, "the new configuration is in force", func() bool {
		return strings.Contains(said.String(), "the new configuration is in force")
	})
	before := filteredBy(t, address)
	ns.StartHelper(t, name, "dial", closed, closed, closed).End(t)
	bpftest.Until(t, "another namespace is out of scope", func() bool { return filteredBy(t, address) >= before+3 })
	checkSum(t, address, "/api/connection-summary", name, 2)
	if strings.Contains(said.String(), "does not follow") {
		t.Error(said.String())
	}
}

// filteredBy is how many events of connections were left out on purpose.
func filteredBy(t *testing.T, address string) (n int) {
	t.Helper()
	var health struct {
		Programs []struct {
			Name     string
			Counters struct{ Filtered int }
		}
	}
	call(t, http.MethodGet, "http://"+address+"/health", "", &health)
	for _, program := range health.Programs {
		if program.Name == "connection" {
			n += program.Counters.Filtered
		}
	}
	return n
}
