package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/kernel"
)

// A record is told under the service name that its process has in its environment, if that is asked for and may be read: with
// SYS_PTRACE alone, once everything else is given up. Without it what is not given is named, and nothing is guessed.
func TestRecordsAreToldUnderTheServiceNamesOfWorkloads(t *testing.T) {
	bpftest.Require(t)
	if pid, err := kernel.SelfPID(); err != nil || int(pid) != os.Getpid() {
		bpftest.Missing(t, fmt.Sprintf("needs the host's pid namespace: the kernel calls this process %d, %v", pid, err))
	}
	if has, err := cap.GetProc().GetFlag(cap.Permitted, cap.SYS_PTRACE); err != nil || !has {
		bpftest.Missing(t, fmt.Sprint("needs SYS_PTRACE, to give it to kerntap: ", err))
	}
	t.Setenv("OTEL_SERVICE_NAME", "checkout")
	for _, test := range []struct {
		name        string
		combination int
		option      string
		told        string
		lost        bool
		keeps       uint64
	}{
		{"asked and allowed", withBPF | withPerfmon | withPtrace, "true", "checkout", false, 1 << unix.CAP_SYS_PTRACE},
		{"asked and not allowed", withBPF | withPerfmon, "true", "", true, 0},
		{"not asked", withBPF | withPerfmon | withPtrace, "false", "", false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			ns := bpftest.NewNamespace(t)
			address := bpftest.FreeAddress(t)
			var said diagnostics
			kerntap := startAs(t, func(cmd *exec.Cmd) {
				asUser(test.combination)(cmd)
				cmd.Env = append(os.Environ(), asKerntap, "OTEL_SERVICE_NAME=kerntap")
				cmd.Stdout = &said
			}, "run", "--listen", address, "--console", "json", "--workload-service-names", test.option)
			awaitReady(t, address)
			caller := ns.StartHelper(t, "kt-service", "dialLines") // which stays
			caller.Send(t, "127.0.0.1:1")
			var services []string
			bpftest.Until(t, "the record", func() bool {
				services = servicesOf(t, said.String(), "kt-service")
				return len(services) > 0
			})
			caller.End(t)
			if want := []string{orKerntap(test.told)}; !slices.Equal(services, want) {
				t.Errorf("told under %q, want %q", services, want)
			}
			if lost := slices.Contains(reductions(t, address), "service_names"); lost != test.lost {
				t.Errorf("named as not given: %t", lost)
			}
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", kerntap.pid))
			if kept := fmt.Sprintf("CapEff:\t%016x", test.keeps); err != nil || !keepsOrBPF(string(status), kept) {
				t.Errorf("want %s: %v %s", kept, err, status)
			}
		})
	}
}

// keepsOrBPF tells whether a process has these capabilities alone, or BPF beside them, which some kernels take to read maps.
func keepsOrBPF(status, kept string) bool {
	var plain, effective uint64
	fmt.Sscanf(kept, "CapEff:\t%x", &plain)
	for line := range strings.Lines(status) {
		fmt.Sscanf(line, "CapEff:\t%x", &effective)
	}
	return effective == plain || effective == plain|1<<unix.CAP_BPF
}

func orKerntap(service string) string {
	if service == "" {
		return "kerntap"
	}
	return service
}

// servicesOf returns the service names under which records of a command were told, of every line that is complete.
func servicesOf(t *testing.T, output, command string) (names []string) {
	t.Helper()
	for line := range strings.Lines(output) {
		if !strings.HasSuffix(line, "\n") || !strings.Contains(line, command) {
			continue
		}
		var request struct {
			ResourceLogs []struct {
				Resource struct {
					Attributes []struct {
						Key   string
						Value struct{ StringValue string }
					}
				}
				ScopeLogs json.RawMessage
			}
		}
		if err := json.Unmarshal([]byte(line), &request); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		for _, told := range request.ResourceLogs {
			if !strings.Contains(string(told.ScopeLogs), command) {
				continue
			}
			name := ""
			for _, attribute := range told.Resource.Attributes {
				if attribute.Key == "service.name" {
					name = attribute.Value.StringValue
				}
			}
			names = append(names, name)
		}
	}
	return names
}
