// Package systemd holds the unit of README.md beside it; only its tests are Go.
package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

const (
	unit      = "kerntap.service"
	installed = "/usr/bin/kerntap"
	// mostExposure is in tenths of the scale of systemd-analyze, which ends at 100 and calls what is below 20 OK.
	mostExposure = "15"
)

// copied returns a copy of the unit that starts something that is there.
func copied(t *testing.T) string {
	t.Helper()
	bpftest.RequireTool(t, "systemd-analyze")
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), unit)
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), installed, self)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheUnitIsWellFormed(t *testing.T) {
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", copied(t)).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestTheUnitIsHardened(t *testing.T) {
	out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold="+mostExposure,
		copied(t)).CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	t.Log(lines[len(lines)-1])
}
