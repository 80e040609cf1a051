package connection_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
)

// give connects to the address in args and passes the connection on. Without an address it listens, says where, and passes
// on what it accepts.
func give(args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) > 0 {
		conn, err := net.Dial("tcp", args[0])
		if err != nil {
			return err
		}
		return passOn(conn.(*net.TCPConn), stdin, stdout)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	fmt.Fprintln(stdout, listener.Addr())
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	return passOn(conn.(*net.TCPConn), stdin, stdout)
}

// passOn passes a connection to a process of another name over a Unix socket, closes its own end and says who that is; that
// process closes the connection when this one's input ends.
func passOn(conn *net.TCPConn, stdin io.Reader, stdout io.Writer) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	theirs := os.NewFile(uintptr(pair[1]), "pair")
	cmd, err := heir("kt-taker", []*os.File{theirs}, "take")
	theirs.Close()
	if err != nil {
		return err
	}
	file, err := conn.File()
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(pair[0], []byte{1}, unix.UnixRights(int(file.Fd())), nil, 0); err != nil {
		return err
	}
	if n, err := unix.Read(pair[0], make([]byte, 1)); n != 1 || err != nil { // it has it
		return fmt.Errorf("the other process did not say that it has the connection: %v", err)
	}
	file.Close()
	conn.Close()
	fmt.Fprintln(stdout, cmd.Process.Pid)
	io.Copy(io.Discard, stdin)
	unix.Close(pair[0])
	return cmd.Wait()
}

// take takes a file from the Unix socket at 3, says so there, and closes it when the other end is closed.
func take([]string, io.Reader, io.Writer) error {
	message, control := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(3, message, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return err
	}
	parsed, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return err
	}
	files, err := unix.ParseUnixRights(&parsed[0])
	if err != nil {
		return err
	}
	if _, err := unix.Write(3, message); err != nil {
		return err
	}
	if _, err := unix.Read(3, message); err != nil {
		return err
	}
	return unix.Close(files[0])
}

// A connection stays with the process that made or accepted it, whoever has it; who ended it is told beside that.
func TestAConnectionThatIsPassedOnStaysItsMakers(t *testing.T) {
	for _, role := range []connection.Role{connection.RoleClient, connection.RoleServer} {
		t.Run(role.String(), func(t *testing.T) {
			ns := bpftest.NewNamespace(t)
			recorder := start(t)
			giver := startGiver(t, ns, role)
			var taker uint32
			fmt.Sscan(giver.Line(t), &taker)
			passedOn := time.Now()
			giver.End(t)
			opened := bpftest.Await(t, recorder, "opened", is(ns, role, connection.OutcomeOpened))
			closed := bpftest.Await(t, recorder, "closed", is(ns, role, connection.OutcomeClosed))
			for _, e := range []*connection.Event{opened, closed} {
				if e.PID != giver.PID || e.Command != "kt-giver" {
					t.Errorf("%s is given to %s[%d], want kt-giver[%d]", e.Outcome, e.Command, e.PID, giver.PID)
				}
			}
			if closed.CloserPID != taker || closed.CloserCommand != "kt-taker" || !strings.Contains(closed.Body(), "kt-taker") {
				t.Errorf("ended by %s[%d], want kt-taker[%d]: %s", closed.CloserCommand, closed.CloserPID, taker, closed.Body())
			}
			if closed.GetWallClockTime().Before(passedOn) {
				t.Error("it has ended although another process had it")
			}
		})
	}
}

// startGiver starts a process that passes its end of a connection on.
func startGiver(t *testing.T, ns *bpftest.Namespace, role connection.Role) *bpftest.Process {
	t.Helper()
	if role == connection.RoleClient {
		return ns.StartHelper(t, "kt-giver", "give", ns.StartHelper(t, "kt-sink", "sink", "127.0.0.1:0").Line(t))
	}
	giver := ns.StartHelper(t, "kt-giver", "give")
	ns.StartHelper(t, "kt-caller", "talk", giver.Line(t)).Line(t)
	return giver
}

// forkEach listens, says where, and forks for the connection that it accepts, without another program: the child ends the
// connection when the input ends, and the parent leaves it to the child, of whom it tells.
func forkEach(_ []string, stdin io.Reader, stdout io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, listener.Addr())
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		return err
	}
	conn.Close()
	var end [2]int
	if err := unix.Pipe2(end[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	child, err := forkToClose(int(file.Fd()), end)
	if err != nil {
		return err
	}
	file.Close()
	fmt.Fprintln(stdout, child)
	io.Copy(io.Discard, stdin)
	unix.Close(end[1])
	_, err = unix.Wait4(child, nil, 0, nil)
	return err
}

// forkToClose forks a child that closes the connection and ends when the other end of its pipe is closed. It may call the
// kernel, and nothing else: the runtime is not there.
func forkToClose(conn int, end [2]int) (child int, err error) {
	var one [1]byte
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	if pid == 0 {
		unix.RawSyscall(unix.SYS_CLOSE, uintptr(end[1]), 0, 0)
		unix.RawSyscall(unix.SYS_READ, uintptr(end[0]), uintptr(unsafe.Pointer(&one)), 1)
		unix.RawSyscall(unix.SYS_CLOSE, uintptr(conn), 0, 0)
		for {
			unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	return int(pid), nil
}

// A server that forks for each connection has accepted it; the child ends it.
func TestAForkedChildEndsItsParentsConnection(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	parent := ns.StartHelper(t, "kt-forking", "forkEach")
	caller := ns.StartHelper(t, "kt-caller", "talk", parent.Line(t))
	caller.Line(t)
	var child uint32
	fmt.Sscan(parent.Line(t), &child)
	parent.End(t)
	caller.End(t)
	e := bpftest.Await(t, recorder, "closed", is(ns, connection.RoleServer, connection.OutcomeClosed))
	if e.PID != parent.PID || e.CloserPID != child || e.CloserCommand != "kt-forking" {
		t.Errorf("of %s[%d], ended by %s[%d]: want [%d] and [%d]", e.Command, e.PID, e.CloserCommand, e.CloserPID, parent.PID, child)
	}
	if other := bpftest.Await(t, recorder, "its end at the client", is(ns, connection.RoleClient, connection.OutcomeClosed)); other.CloserPID != 0 {
		t.Errorf("ended by another process, %d, than %d", other.CloserPID, other.PID)
	}
}

// A connection that is reset by whoever has it, and a connect that is given up by him, is the owner's and his.
func TestWhoResetsOrGivesUpIsTold(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	ns.Firewall(t, "add table inet t; add chain inet t out { type filter hook output priority 0; }; add rule inet t out tcp dport 9 drop")
	recorder := start(t)
	listener, _ := listenAt(t, ns, 0)
	bound, err := unix.Getsockname(int(listener.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		to      int
		outcome connection.Outcome
	}{{bound.(*unix.SockaddrInet4).Port, connection.OutcomeClosed}, {9, connection.OutcomeFailed}} {
		fd := connecting(t, ns, test.to)
		if test.outcome == connection.OutcomeClosed {
			bpftest.Await(t, recorder, "opened", is(ns, connection.RoleClient, connection.OutcomeOpened))
		}
		var end [2]int
		if err := unix.Pipe2(end[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		child, err := forkToClose(fd, end)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(end[0])
		unix.Close(fd)
		unix.Close(end[1])
		if _, err := unix.Wait4(child, nil, 0, nil); err != nil {
			t.Error(err)
		}
		e := bpftest.Await(t, recorder, test.outcome.String(), is(ns, connection.RoleClient, test.outcome))
		if e.PID != uint32(os.Getpid()) || e.CloserPID != uint32(child) {
			t.Errorf("%s: of %d, by %d: want %d and %d", test.outcome, e.PID, e.CloserPID, os.Getpid(), child)
		}
	}
}

// connecting returns a socket that has begun to connect to a port and will reset the connection at its end.
func connecting(t *testing.T, ns *bpftest.Namespace, port int) (fd int) {
	t.Helper()
	ns.Do(func() {
		var err error
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
			t.Error(err)
			return
		}
		if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
			t.Error(err)
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != unix.EINPROGRESS {
			t.Errorf("connect: %v", err)
		}
	})
	return fd
}
