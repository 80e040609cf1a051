package connection_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/kernel"
)

// heir starts a copy of this helper as the command name, with files at 3, 4, …, that is the helper args[0].
func heir(name string, files []*os.File, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(filepath.Dir(self), name)
	if err := os.Link(self, path); err != nil && !os.IsExist(err) {
		return nil, err
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Env = append(os.Environ(), bpftest.AsHelper(args[0]))
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = files, os.Stdout, os.Stderr
	return cmd, cmd.Start()
}

// listening returns a listener without MPTCP, and a copy of its file.
func listening() (net.Listener, *os.File, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, nil, err
	}
	if err := unix.Listen(fd, 100); err != nil {
		return nil, nil, err
	}
	file := os.NewFile(uintptr(fd), "listener")
	listener, err := net.FileListener(file)
	return listener, file, err
}

// daemon listens, leaves the listener to args[0] heirs of the name args[1], says the address and who they are, and ends:
// an activated service has one, a daemon that forks when it listens too, a pre-forked server several.
func daemon(args []string, _ io.Reader, stdout io.Writer) error {
	var n int
	fmt.Sscan(args[0], &n)
	listener, file, err := listening()
	if err != nil {
		return err
	}
	line := []any{listener.Addr()}
	for range n {
		cmd, err := heir(args[1], []*os.File{file}, "acceptOne")
		if err != nil {
			for _, pid := range line[1:] {
				unix.Kill(pid.(int), unix.SIGKILL)
			}
			return err
		}
		line = append(line, cmd.Process.Pid)
	}
	fmt.Fprintln(stdout, line...)
	return nil
}

// A connection that came to a listener whose maker has ended is its acceptor's where that can be seen, and else nobody's in
// particular but of who made the listener: never another process's.
func TestListenersOutliveWhoMadeThem(t *testing.T) {
	for name, heirs := range map[string]string{"activated or forked": "1", "pre-forked": "3"} {
		t.Run(name, func(t *testing.T) {
			ns := bpftest.NewNamespace(t)
			recorder := start(t)
			maker := ns.StartHelper(t, "kt-maker", "daemon", heirs, "kt-heir")
			fields := strings.Fields(maker.Line(t))
			address, pids := fields[0], fields[1:]
			t.Cleanup(func() { killAll(t, pids) })
			maker.Wait(t)
			const calls = 6
			for range calls {
				ns.StartHelper(t, "kt-caller", "burst", address, "1", "fin").Line(t)
			}
			closed := bpftest.AwaitN(recorder, calls, patience, is(ns, connection.RoleServer, connection.OutcomeClosed))
			opened := bpftest.AwaitN(recorder, calls, patience, is(ns, connection.RoleServer, connection.OutcomeOpened))
			if len(opened) != calls || len(closed) != calls {
				t.Errorf("%d opened and %d closed, want %d", len(opened), len(closed), calls)
			}
			for _, e := range append(opened, closed...) {
				own := e.Command == "kt-maker" && e.PID == maker.PID && e.Attribution == connection.ByListener
				if acceptorsAreSeen(t) {
					own = e.Command == "kt-heir" && strings.Contains(" "+strings.Join(pids, " ")+" ", fmt.Sprintf(" %d ", e.PID)) &&
						e.Attribution == connection.ByAccept
				}
				if !own {
					t.Errorf("%s is given to %s[%d] (%v), made by %d, accepted by one of %v", e.Outcome, e.Command, e.PID,
						e.Attribution, maker.PID, pids)
				}
			}
		})
	}
}

func acceptorsAreSeen(t *testing.T) bool {
	t.Helper()
	types, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	return kernel.Acceptors.Lost(types) == nil
}

func killAll(t *testing.T, pids []string) {
	t.Helper()
	for _, text := range pids {
		var pid int
		if _, err := fmt.Sscan(text, &pid); err != nil {
			t.Error(err)
			continue
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Errorf("kill %d: %v", pid, err)
		}
	}
}

// threads connects to the addresses that it reads on threads that have names of their own.
func threads(_ []string, stdin io.Reader, stdout io.Writer) error {
	lines := bufio.NewScanner(stdin)
	for n := 0; lines.Scan(); n++ {
		fmt.Fprintln(stdout, onAThread(func() error {
			if err := os.WriteFile("/proc/thread-self/comm", fmt.Append(nil, "kt-thread-", n), 0); err != nil {
				return err
			}
			return dialOne("blocking", netip.MustParseAddrPort(lines.Text()))
		}))
	}
	return lines.Err()
}

// onAThread runs do on a thread that is not the first of the process and ends afterwards.
func onAThread(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() { // held, so that another is used
			defer runtime.UnlockOSThread()
			done <- onAThread(do)
			return
		}
		done <- do()
	}()
	return <-done
}

// The command is the process's, not that of one of its threads.
func TestThreadsOfOtherNamesAreTheirProcess(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	caller := ns.StartHelper(t, "kt-threads", "threads")
	const calls = 4
	for range calls {
		caller.Send(t, "127.0.0.1:1")
		if told := caller.Line(t); told != unix.ECONNREFUSED.Error() {
			t.Fatalf("the process was told %q", told)
		}
	}
	failed := bpftest.AwaitN(recorder, calls, patience, is(ns, connection.RoleClient, connection.OutcomeFailed))
	if len(failed) != calls {
		t.Errorf("%d failures, want %d", len(failed), calls)
	}
	for _, e := range failed {
		if e.PID != caller.PID || e.Command != "kt-threads" {
			t.Errorf("given to %s[%d], want kt-threads[%d]", e.Command, e.PID, caller.PID)
		}
	}
}

// A connection whose process has ended ends later, and is that process's.
func TestAConnectionOutlivesItsProcess(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	server := ns.StartHelper(t, "kt-slow", "acceptAndKeep")
	address := server.Line(t)
	caller := ns.StartHelper(t, "kt-gone", "hold")
	caller.Send(t, address)
	caller.Line(t)
	caller.End(t) // its FIN is acknowledged, and the other end stays open: FIN_WAIT2
	if err := unix.Kill(int(caller.PID), 0); err != unix.ESRCH {
		t.Fatalf("the process is still there: %v", err)
	}
	server.CloseInput()
	for role, owner := range map[connection.Role]*bpftest.Process{connection.RoleClient: caller, connection.RoleServer: server} {
		e := bpftest.Await(t, recorder, "closed", is(ns, role, connection.OutcomeClosed))
		if e.PID != owner.PID || e.Command != map[connection.Role]string{connection.RoleClient: "kt-gone", connection.RoleServer: "kt-slow"}[role] {
			t.Errorf("%s: given to %s[%d], want [%d]", role, e.Command, e.PID, owner.PID)
		}
	}
}

// acceptAndKeep listens on a port of its own choice, says which, and keeps what it accepts until its input ends.
func acceptAndKeep(_ []string, stdin io.Reader, stdout io.Writer) error {
	var kept []net.Conn
	return acceptEach("127.0.0.1:0", stdin, stdout, func(conn net.Conn) { kept = append(kept, conn) })
}

// A socket that the kernel itself connects, here for one more path of an MPTCP connection, is the kernel's: no process called
// connect, least of all the one that happened to run.
func TestSocketsOfTheKernelAreTheKernels(t *testing.T) {
	bpftest.Require(t)
	if probe, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP); err != nil {
		t.Skip("this kernel has no MPTCP: ", err)
	} else {
		unix.Close(probe)
	}
	ns := bpftest.NewNamespace(t)
	if text, err := exec.Command("ip", "mptcp", "help").CombinedOutput(); !strings.Contains(string(text), "endpoint") {
		t.Skipf("no tool that tells MPTCP of an address: %s %v", text, err)
	}
	for _, line := range []string{"link set lo up", "mptcp limits set subflows 1 add_addr_accepted 1", "mptcp endpoint add 127.0.0.2 dev lo subflow"} {
		ns.Run(t, "ip", strings.Fields(line)...)
	}
	recorder := start(t)
	address := ns.StartHelper(t, "kt-server", "server", "127.0.0.1:0").Line(t)
	caller := ns.StartHelper(t, "kt-caller", "keep", address, "mptcp")
	caller.Line(t)
	e := bpftest.Await(t, recorder, "the second path", func(e *connection.Event) bool {
		return e.NetNS == ns.Inode && e.Outcome == connection.OutcomeOpened && e.Local.Addr() == netip.MustParseAddr("127.0.0.2")
	})
	if e.PID != 0 || e.Command != "kernel" || e.Role != connection.RoleClient {
		t.Errorf("it is given to %s[%d] as %s", e.Command, e.PID, e.Role)
	}
}

// keep connects to the address in args, with MPTCP if they say so, says so once it is answered, and keeps the connection
// until its input ends.
func keep(args []string, stdin io.Reader, stdout io.Writer) error {
	var dialer net.Dialer
	dialer.SetMultipathTCP(slices.Contains(args, "mptcp"))
	conn, err := dialer.Dial("tcp", args[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(conn, "more"); err != nil { // both ends have sent data, as further paths take
		return err
	}
	fmt.Fprint(stdout, answer)
	_, err = io.Copy(io.Discard, stdin)
	return err
}
