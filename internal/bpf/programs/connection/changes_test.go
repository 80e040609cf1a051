package connection_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
)

// attemptsOf is how often a process connects before it changes: its sockets are at addresses that it has had before.
const attemptsOf = 5

// Of what a process was when it connected before, from the same address of the kernel's, nothing is told once it has changed:
// it executes another file of the same command, takes another name, is moved to another cgroup, its file is given another
// name, or it is another process.
func TestAProcessIsToldAsItIsWhenItConnects(t *testing.T) {
	const one, two = "kt-same-command-1", "kt-same-command-2"
	command, container := one[:15], strings.Repeat("0123456789abcdef", 4)
	ns, root, recorder := bpftest.NewNamespace(t), bpftest.CgroupRoots(t)[0], start(t)
	first := ns.StartHelper(t, one, "change")
	second := ns.StartHelper(t, one, "change")
	seen := 0
	check := func(process *bpftest.Process, change, wantCommand, wantExecutable, wantContainer string) {
		t.Helper()
		process.Send(t, change)
		if told := process.Line(t); told != "done" {
			t.Fatal(told)
		}
		failed := is(ns, connection.RoleClient, connection.OutcomeFailed)
		found := bpftest.AwaitN(recorder, seen+attemptsOf, patience, failed)[seen:]
		seen += attemptsOf
		for _, e := range found {
			if e.PID != process.PID || e.Command != wantCommand || e.Executable != wantExecutable ||
				e.GetWorkload().ContainerID != wantContainer {
				t.Errorf("%q: given to %s[%d] (%s) in container %q, want %s[%d] (%s) in %q", change, e.Command, e.PID,
					e.Executable, e.GetWorkload().ContainerID, wantCommand, process.PID, wantExecutable, wantContainer)
			}
		}
	}
	check(first, "nothing", command, one, "")
	check(second, "nothing", command, one, "")
	check(first, "nothing", command, one, "")
	check(first, "execute "+two, command, two, "")
	check(first, "name kt-renamed", "kt-renamed", two, "")
	bpftest.Cgroup(t, root, "docker/"+container, first.PID)
	check(first, "nothing", "kt-renamed", two, container)
	check(first, "move kt-moved-away", "kt-renamed", "kt-moved-away", container)
	check(second, "nothing", command, one, "")
}

// change does what it is told, connects on the first CPU to where nobody listens, and says that it is done.
func change(_ []string, stdin io.Reader, stdout io.Writer) error {
	if err := bpftest.Pin(0); err != nil {
		return err
	}
	if os.Getenv("KERNTAP_CHANGED") != "" { // it has executed itself, and was told to connect before that
		if err := refusedTimes(attemptsOf, stdout); err != nil {
			return err
		}
	}
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		what, name, _ := strings.Cut(lines.Text(), " ")
		var err error
		switch what {
		case "execute":
			err = executeAs(name)
		case "move":
			err = moveTo(name)
		case "name":
			err = os.WriteFile("/proc/self/comm", []byte(name), 0)
		}
		if err := errors.Join(err, refusedTimes(attemptsOf, stdout)); err != nil {
			return err
		}
	}
	return lines.Err()
}

// executeAs executes this very file under another name, as this helper. It returns only if that fails.
func executeAs(name string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	path := filepath.Join(filepath.Dir(self), name)
	if err := os.Link(self, path); err != nil && !os.IsExist(err) {
		return err
	}
	return syscall.Exec(path, os.Args, append(os.Environ(), "KERNTAP_CHANGED=1"))
}

// moveTo gives the file that is executed another name.
func moveTo(name string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return os.Rename(self, filepath.Join(filepath.Dir(self), name))
}

func refusedTimes(n int, stdout io.Writer) error {
	for range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		if err != nil {
			return err
		}
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: 1, Addr: [4]byte{127, 0, 0, 1}})
		if err := errors.Join(unix.Close(fd), err); !errors.Is(err, unix.ECONNREFUSED) {
			return fmt.Errorf("not refused: %w", err)
		}
	}
	_, err := fmt.Fprintln(stdout, "done")
	return err
}
