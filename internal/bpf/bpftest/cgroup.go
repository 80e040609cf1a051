package bpftest

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// CgroupRoots returns where cgroups can be made here: the unified hierarchy, alone or beside those of the controllers,
// and the memory controller's.
func CgroupRoots(t testing.TB) []string {
	t.Helper()
	Require(t)
	const mount = "/sys/fs/cgroup"
	var roots []string
	for _, root := range []string{mount, filepath.Join(mount, "unified"), filepath.Join(mount, "memory")} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err == nil {
			roots = append(roots, root)
		}
	}
	if len(roots) == 0 {
		Missing(t, "needs cgroups: no hierarchy is mounted at "+mount)
	}
	return roots
}

// UnifiedCgroups returns where cgroups can be made that programs can be attached to.
func UnifiedCgroups(t testing.TB) string {
	t.Helper()
	for _, root := range CgroupRoots(t) {
		if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
			return root
		}
	}
	Missing(t, "needs the unified hierarchy of cgroups")
	return ""
}

// Cgroup makes a cgroup of this path below a root, with its parents, and moves a process there. It is removed after the
// test, when the process has ended.
func Cgroup(t testing.TB, root, path string, pid uint32) {
	t.Helper()
	dir := filepath.Join(root, path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		Missing(t, "needs to make cgroups: "+err.Error())
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
