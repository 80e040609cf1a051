package systemd

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The unit as it is, under a real systemd: an ordinary user, two capabilities, all the hardening.
func TestSystemdRunsTheUnit(t *testing.T) {
	m := boot(t, func(unit string) string { return unit })
	m.await("SubState", "running")
	if lost := m.reductions(); !slices.Contains(lost, dropLocations) {
		t.Errorf("it loses %v, want %s among them", lost, dropLocations)
	}
	process := m.checkProcess()
	if _, err := m.run("systemctl", "reload", unit); err != nil {
		t.Error(err)
	}
	m.await("Result", "success")
	if again := m.mainPID(); again != process {
		t.Errorf("its process was %s and is %s after a reload", process, again)
	}

	if _, err := m.run("kill", "-STOP", process); err != nil {
		t.Fatal(err)
	}
	m.await("NRestarts", "1") // the watchdog's doing
	m.await("SubState", "running")
	if _, err := m.run("systemctl", "stop", unit); err != nil {
		t.Error(err)
	}
	m.await("ActiveState", "inactive")
	m.await("Result", "success")
}

// The lines that stand in the unit as comments give what they say.
func TestTheLinesForDropLocationsAreEnough(t *testing.T) {
	m := boot(t, func(unit string) string {
		return regexp.MustCompile(`(?m)^#([A-Z])`).ReplaceAllString(unit, "$1")
	})
	m.await("SubState", "running")
	if lost := m.reductions(); slices.Contains(lost, dropLocations) {
		t.Errorf("it loses %v", lost)
	}
}

// dropLocations is the reduction of a kerntap that may not read the kernel's symbols.
const dropLocations = "drop_locations"

// reductions checks that the service is healthy and returns what its programs do not give.
func (m manager) reductions() (names []string) {
	m.t.Helper()
	out, err := m.run("curl", "-s", "--noproxy", "*", "http://127.0.0.1:4319/health")
	if err != nil {
		m.t.Fatal(err)
	}
	var health struct {
		Status   string
		Programs []struct {
			Name, State string
			Reductions  []struct{ Name, Reason string }
		}
	}
	if err := json.Unmarshal([]byte(out), &health); err != nil {
		m.t.Fatalf("%v: %s", err, out)
	}
	if health.Status != "healthy" || len(health.Programs) != 3 {
		m.t.Errorf("its health is %+v", health)
	}
	for _, program := range health.Programs {
		for _, reduction := range program.Reductions {
			names = append(names, reduction.Name)
		}
	}
	return names
}

// checkProcess checks as whom the service runs, and returns its process.
func (m manager) checkProcess() string {
	m.t.Helper()
	process := m.mainPID()
	status, err := m.run("cat", "/proc/"+process+"/status")
	if err != nil {
		m.t.Fatal(err)
	}
	for _, line := range []string{"CapPrm:\t0000000000000000", "CapBnd:\t000000c000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, line+"\n") {
			m.t.Errorf("its status lacks %q:\n%s", line, status)
		}
	}
	if strings.Contains(status, "Uid:\t0\t") {
		m.t.Error("it runs as root")
	}
	return process
}
