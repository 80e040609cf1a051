package systemd

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// patience bounds each step.
const patience = time.Minute

// manager is a systemd that runs the unit and nothing else.
type manager struct {
	t   *testing.T
	pid int
}

// boot starts a systemd in namespaces of its own, with the unit as edit leaves it but for what a test cannot wait for.
func boot(t *testing.T, edit func(unit string) string) manager {
	t.Helper()
	bpftest.Require(t)
	bpftest.RequireTool(t, "systemd-analyze")
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		t.Skip("this machine has a systemd of its own, whose cgroups another one would take for its own")
	}
	dir := t.TempDir()
	furnish(t, dir, edit)
	before := cgroups(t)
	cmd := exec.Command("/bin/sh", "testdata/boot.sh", dir)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() // and with it everything in its pid namespace
		cmd.Wait()
		sweep(t, before)
	})
	return manager{t, cmd.Process.Pid}
}

// furnish fills a folder with kerntap, its configuration and the unit.
func furnish(t *testing.T, dir string, edit func(unit string) string) {
	t.Helper()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "kerntap"), "../../cmd/kerntap")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile("../../packaging/kerntap.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// where boot.sh shows the folder, and not where this machine's own would be
	here := strings.NewReplacer("/usr/bin/", "/usr/local/bin/", "/etc/kerntap/", "/usr/local/bin/").Replace(edit(string(text)))
	dropIns := filepath.Join(dir, unit+".d")
	const quick = "[Service]\nWatchdogSec=4s\nRestartSec=100ms\nEnvironment=OTEL_SDK_DISABLED=true\n"
	if err := errors.Join(os.WriteFile(filepath.Join(dir, unit), []byte(here), 0o644), os.Mkdir(dropIns, 0o755),
		os.WriteFile(filepath.Join(dir, "kerntap.yaml"), config, 0o644),
		os.WriteFile(filepath.Join(dropIns, "quick.conf"), []byte(quick), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// run runs a command where that systemd is.
func (m manager) run(args ...string) (string, error) {
	in := []string{"--target", strconv.Itoa(m.pid), "--mount", "--pid", "--ipc", "--uts", "--net", "--"}
	out, err := exec.Command("nsenter", append(in, args...)...).Output()
	return strings.TrimSpace(string(out)), err
}

// await waits until systemd says this of the unit.
func (m manager) await(property, want string) {
	m.t.Helper()
	deadline := time.After(patience)
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	for {
		said, _ := m.run("systemctl", "show", "--value", "-p", property, unit) // fails until systemd listens
		if said == want {
			return
		}
		select {
		case <-retry.C:
		case <-deadline:
			m.t.Fatalf("%s is %q, want %q", property, said, want)
		}
	}
}

// cgroups are the cgroups at the top of every hierarchy.
func cgroups(t *testing.T) map[string]bool {
	t.Helper()
	found := make(map[string]bool)
	for _, pattern := range []string{"/sys/fs/cgroup/*", "/sys/fs/cgroup/*/*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			found[path] = true
		}
	}
	return found
}

// sweep removes the cgroups that systemd has made since.
func sweep(t *testing.T, before map[string]bool) {
	for path := range cgroups(t) {
		if name := filepath.Base(path); before[path] || name != "init.scope" && name != "system.slice" {
			continue
		}
		var inside []string
		_ = filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				inside = append(inside, path)
			}
			return nil
		})
		for i := len(inside) - 1; i >= 0; i-- {
			_ = os.Remove(inside[i]) // a process that has just ended may hold it
		}
	}
}

// mainPID is the service's process, where that systemd is.
func (m manager) mainPID() string {
	m.t.Helper()
	pid, err := m.run("systemctl", "show", "--value", "-p", "MainPID", unit)
	if err != nil || pid == "0" {
		m.t.Fatalf("its process is %q, %v", pid, err)
	}
	return pid
}
