package bpftest

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// cgroupRoot is where cgroups are made: the unified hierarchy, or the memory controller's where processes are still
// sorted by controllers.
func cgroupRoot() (string, error) {
	const mount = "/sys/fs/cgroup"
	for _, root := range []string{mount, filepath.Join(mount, "memory")} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err == nil {
			return root, nil
		}
	}
	return "", errors.New("no cgroup hierarchy is mounted at " + mount)
}

// Cgroup makes a cgroup of this path, with its parents, and moves a process there. It is removed after the test, when
// the process has ended.
func Cgroup(t testing.TB, path string, pid uint32) {
	t.Helper()
	Require(t)
	root, err := cgroupRoot()
	if err != nil {
		missing(t, "needs cgroups: "+err.Error())
	}
	dir := filepath.Join(root, path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		missing(t, "needs to make cgroups: "+err.Error())
	}
	procs := []byte(strconv.FormatUint(uint64(pid), 10))
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), procs, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// back to the root, so that the cgroup is empty whatever the process does
		_ = os.WriteFile(filepath.Join(root, "cgroup.procs"), procs, 0o644)
		for ; dir != root; dir = filepath.Dir(dir) {
			if os.Remove(dir) != nil {
				return // others may use a parent
			}
		}
	})
}
