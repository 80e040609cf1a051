package kernel

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestTracepointsOfSystemCallsAreReadFromTracefs(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	if err := syscallTracepoint([]string{first, second}, "connect"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without tracefs: %v", err)
	}
	folder := filepath.Join(second, "events/syscalls/sys_enter_connect")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "id"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscallTracepoint([]string{first, second}, "connect"); err != nil {
		t.Errorf("with tracefs at the second place: %v", err)
	}
	if err := syscallTracepoint([]string{second}, "no_such_call"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no system call: %v", err)
	}
}
