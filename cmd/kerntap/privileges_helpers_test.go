package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// ownProcess is a kerntap in a process of its own. end ends it as a service manager does, once.
type ownProcess struct {
	pid int
	end func()
}

// startAs starts kerntap as a process of its own, changed by prepare, which exports nothing and ends with the test.
func startAs(t *testing.T, prepare func(*exec.Cmd), args ...string) ownProcess {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", append(args, "--throttle-row", "off", "--throttle-program", "off")...)
	cmd.Env = append(os.Environ(), asKerntap, "OTEL_SDK_DISABLED=true")
	cmd.Stderr = t.Output()
	prepare(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return ownProcess{cmd.Process.Pid, end}
}

// configured writes a configuration that every user may read: the folder of the test is for root's eyes alone.
func configured(t *testing.T, content string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kerntap")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "kerntap.yaml")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(file, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
	return file
}

// counted is how many packets the only rule of the firewall has dropped.
func counted(t *testing.T, ns *bpftest.Namespace) int {
	t.Helper()
	rules := ns.Run(t, "nft", "list ruleset")
	found := regexp.MustCompile(`counter packets (\d+)`).FindStringSubmatch(rules)
	if found == nil {
		t.Fatal(rules)
	}
	packets, err := strconv.Atoi(found[1])
	if err != nil || packets == 0 {
		t.Fatalf("the firewall dropped %d packets, %v", packets, err)
	}
	return packets
}

// missedRuns is how often the kernel has skipped a program since kerntap started.
func missedRuns(t *testing.T, address string) (missed uint64) {
	t.Helper()
	var programs struct {
		Programs []struct {
			Counters struct{ Missed uint64 }
		}
	}
	call(t, http.MethodGet, "http://"+address+"/api/programs", "", &programs)
	for _, program := range programs.Programs {
		missed += program.Counters.Missed
	}
	return missed
}

func checkSum(t *testing.T, address, path, command string, want int) {
	t.Helper()
	var sum struct {
		Attempts int `json:"total_attempts"`
		Drops    int `json:"total_drops"`
	}
	defer func() { t.Logf("%s says %+v of %s", path, sum, command) }()
	bpftest.Until(t, fmt.Sprintf("%s says %d of %s", path, want, command), func() bool {
		call(t, http.MethodPost, "http://"+address+path, `{"command":"`+command+`","duration":60}`, &sum)
		return sum.Attempts+sum.Drops >= want
	})
	if sum.Attempts+sum.Drops != want {
		t.Errorf("%s says %+v of %s, want %d", path, sum, command, want)
	}
}

// reductions are the names of what the programs do not give, sorted.
func reductions(t *testing.T, address string) (names []string) {
	t.Helper()
	var health struct {
		Programs []struct {
			State      string
			Reductions []struct{ Name string }
		}
	}
	call(t, http.MethodGet, "http://"+address+"/health", "", &health)
	for _, program := range health.Programs {
		if program.State != "running" {
			t.Errorf("a program is %s", program.State)
		}
		for _, reduction := range program.Reductions {
			names = append(names, reduction.Name)
		}
	}
	slices.Sort(names)
	return names
}

type question struct{ command, kind string }

func questions(owners map[string]uint32) (all []question) {
	for command := range owners {
		all = append(all, question{command, "connection"}, question{command, "packet_drop"})
	}
	return all
}

// read takes what the first two programs tell of the commands of owners and returns how many records there are of each outcome.
func (s *seen) read(t *testing.T, address string, owners map[string]uint32, inContainer bool) map[string]int {
	t.Helper()
	outcomes := make(map[string]int)
	for _, question := range questions(owners) {
		command, pid := question.command, owners[question.command]
		var answer struct {
			Events []struct {
				Name, Body string
				PID        uint32
				Attributes map[string]any
			}
		}
		call(t, http.MethodGet, "http://"+address+"/api/events?limit=1000&command="+command+"&type="+question.kind, "", &answer)
		for _, event := range answer.Events {
			if event.Attributes["kerntap.drop.class"] == "cleanup" {
				continue // some kernels say so of packets that they have used
			}
			outcomes[command+" "+event.Name[strings.LastIndex(event.Name, ".")+1:]]++
			if strings.HasSuffix(event.Name, ".dropped") && !strings.Contains(event.Body, filtered) {
				t.Errorf("nobody missed this: %s, %v", event.Body, event.Attributes)
			}
			if event.PID != pid {
				t.Errorf("%s of %s is told of process %d, want %d", event.Name, command, event.PID, pid)
			}
			if id := event.Attributes["container.id"]; strings.HasPrefix(command, "kt-a") && inContainer && id != container {
				t.Errorf("%s of %s is told of container %v", event.Name, command, id)
			}
			if event.Attributes["kerntap.drop.location"] != nil {
				s.locations++
			}
			keys := append(slices.Collect(maps.Keys(event.Attributes)), s.keys[event.Name]...)
			s.keys[event.Name] = slices.Compact(slices.Sorted(slices.Values(keys)))
		}
	}
	return outcomes
}

// keeping is what threads says of a process that has kept these capabilities and no others.
func keeping(kept uint64) map[string]int {
	return map[string]int{fmt.Sprintf("CapEff: %016x", kept): 1, fmt.Sprintf("CapPrm: %016x", kept): 1, "NoNewPrivs: 1": 1}
}

// threads says which effective capabilities and which no_new_privs the threads of a process have.
func threads(t *testing.T, pid int) map[string]int {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(paths) < 2 {
		t.Fatalf("threads %v, %v", paths, err)
	}
	found := make(map[string]int)
	for _, path := range paths {
		status, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "CapEff") || strings.HasPrefix(line, "CapPrm") || strings.HasPrefix(line, "NoNewPrivs") {
				found[strings.Join(strings.Fields(line), " ")] = 1
			}
		}
	}
	for _, kept := range []uint64{0, 1 << unix.CAP_BPF, 1 << unix.CAP_SYS_ADMIN} {
		if maps.Equal(found, keeping(kept)) {
			return found
		}
	}
	t.Errorf("its threads have %v", found)
	return found
}
