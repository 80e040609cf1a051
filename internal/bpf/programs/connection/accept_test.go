package connection_test

import (
	"fmt"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/kernel"
)

// A connection of which the kernel skipped the beginning is its listener's if no other can have accepted it, and else nobody's:
// not one's of several that share the port, nor one's that came after the listener.
func TestASkippedConnectionIsItsListenersOrNobodys(t *testing.T) {
	for _, test := range []struct {
		name   string
		others func(t *testing.T, ns *bpftest.Namespace, address string)
		found  bool
	}{
		{"alone", func(*testing.T, *bpftest.Namespace, string) {}, true},
		{"one shares the port", func(t *testing.T, ns *bpftest.Namespace, address string) {
			ns.StartHelper(t, "kt-sk-other", "server", address).Line(t)
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			ns := bpftest.NewNamespace(t)
			recorder := start(t)
			server := ns.StartHelper(t, "kt-sk-server", "server", "127.0.0.1:0")
			address := server.Line(t)
			caller := ns.StartHelper(t, "kt-sk-caller", "talk", address)
			caller.Line(t)
			bpftest.Await(t, recorder, "accepted", is(ns, connection.RoleServer, connection.OutcomeOpened))
			bpftest.ForgetAccepted(t, "kt-sk-server")
			test.others(t, ns, address)
			caller.End(t)
			closed := bpftest.Await(t, recorder, "the end at the server", func(e *connection.Event) bool {
				return e.NetNS == ns.Inode && e.Local.String() == address && e.Outcome == connection.OutcomeClosed
			})
			if test.found && (closed.PID != server.PID || closed.Command != "kt-sk-server" || closed.Role != connection.RoleServer) {
				t.Errorf("it is given to %s[%d] as %q", closed.Command, closed.PID, closed.Role)
			}
			if !test.found && (closed.PID != 0 || closed.Command != "") {
				t.Errorf("it is given to %s[%d]", closed.Command, closed.PID)
			}
		})
	}
}

// A listener may end before what it accepted, and another take the port.
func TestASkippedConnectionIsNoLaterListeners(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	listener, address := listenAt(t, ns, 0)
	caller := ns.StartHelper(t, "kt-la-caller", "talk", address)
	caller.Line(t)
	accepted := accept(t, listener)
	bpftest.Await(t, recorder, "accepted", is(ns, connection.RoleServer, connection.OutcomeOpened))
	listener.Close()
	ns.StartHelper(t, "kt-la-later", "sink", address).Line(t)
	bpftest.ForgetAccepted(t, command(t))
	caller.End(t)
	accepted.Close()
	closed := bpftest.Await(t, recorder, "the end at the server", func(e *connection.Event) bool {
		return e.NetNS == ns.Inode && e.Local.String() == address && e.Outcome == connection.OutcomeClosed
	})
	if closed.PID != 0 || closed.Command != "" {
		t.Errorf("it is given to %s[%d]", closed.Command, closed.PID)
	}
}

// A connection whose changes of state were skipped until it was accepted is opened then, and its acceptor's.
func TestASkippedConnectionIsItsAcceptors(t *testing.T) {
	bpftest.RequireFeature(t, kernel.Acceptors)
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	listener, address := listenAt(t, ns, 0)
	caller := ns.StartHelper(t, "kt-sa-caller", "talk", address)
	caller.Line(t)
	bpftest.ForgetAccepted(t, command(t))
	accepted := accept(t, listener)
	opened := bpftest.Await(t, recorder, "accepted", is(ns, connection.RoleServer, connection.OutcomeOpened))
	caller.End(t)
	accepted.Close()
	closed := bpftest.Await(t, recorder, "its end", is(ns, connection.RoleServer, connection.OutcomeClosed))
	for _, e := range []*connection.Event{opened, closed} {
		if e.PID != uint32(os.Getpid()) || e.Attribution != connection.ByAccept {
			t.Errorf("%s is given to %s[%d] (%v)", e.Outcome, e.Command, e.PID, e.Attribution)
		}
	}
	recorder.Stop(t)
	if n := summed(recorder, command(t))["kerntap.tcp.active_connections server"]; n != 0 {
		t.Errorf("%v are open", n)
	}
}

// TCP Fast Open hands a connection to its acceptor before it is established: it is open once it is, and his.
func TestAConnectionThatIsAcceptedBeforeItIsEstablishedIsOneConnection(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	ns.Run(t, "sysctl", "-q", "-w", "net.ipv4.tcp_fastopen=519") // without asking for cookies
	recorder := bpftest.Start(t, connection.NewProgram(bpf.NewInMemoryStorage()))
	listener, address := listenAt(t, ns, 5)
	to := netip.MustParseAddrPort(address)
	var caller int
	ns.Do(func() {
		var err error
		if caller, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			t.Error(err)
			return
		}
		peer := &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
		if err := unix.Sendto(caller, []byte("early"), unix.MSG_FASTOPEN, peer); err != nil {
			t.Error(err)
		}
	})
	defer unix.Close(caller)
	accept(t, listener)
	if early := ns.Counter(t, "netstat", "TcpExt", "TCPFastOpenPassive"); early != 1 {
		t.Fatalf("the kernel counts %d connections with early data", early)
	}
	opened := bpftest.Await(t, recorder, "accepted", is(ns, connection.RoleServer, connection.OutcomeOpened))
	if opened.PID != uint32(os.Getpid()) || (opened.Attribution == connection.ByAccept) != acceptorsAreSeen(t) {
		t.Errorf("opened by %s[%d] (%v)", opened.Command, opened.PID, opened.Attribution)
	}
	recorder.Stop(t)
	sums := summed(recorder, command(t))
	if sums["kerntap.tcp.connections server"] != 1 || sums["kerntap.tcp.active_connections server"] != 1 {
		t.Errorf("%v: want one opened, and open", sums)
	}
}

// What nobody accepts is opened once and closed once, whether the client leaves or the listener does, and is the listener's.
func TestConnectionsThatNobodyAcceptsAreCountedOnce(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	listener, address := listenAt(t, ns, 0)
	const left, stays = 3, 4
	ns.StartHelper(t, "kt-na-leaves", "burst", address, fmt.Sprint(left), "rst").Line(t)
	for range stays {
		ns.StartHelper(t, "kt-na-stays", "talk", address).Line(t)
	}
	listener.Close()
	closed := bpftest.AwaitN(recorder, left+stays, patience, is(ns, connection.RoleServer, connection.OutcomeClosed))
	recorder.Stop(t)
	if len(closed) != left+stays {
		t.Errorf("%d were closed, want %d", len(closed), left+stays)
	}
	for _, e := range closed {
		if e.PID != uint32(os.Getpid()) || e.Attribution != connection.ByListener {
			t.Errorf("closed by %s[%d] (%v)", e.Command, e.PID, e.Attribution)
		}
	}
	counted := make(map[connection.Outcome]uint64)
	for _, tally := range bpftest.Find(recorder, func(e *connection.Tally) bool {
		return e.Command == command(t) && e.Role == connection.RoleServer
	}) {
		counted[tally.Outcome] += tally.N
	}
	if counted[connection.OutcomeOpened] != left+stays || counted[connection.OutcomeClosed] != left+stays {
		t.Errorf("counted %v, want %d opened and closed", counted, left+stays)
	}
	if n := summed(recorder, command(t))["kerntap.tcp.active_connections server"]; n != 0 {
		t.Errorf("%v are open", n)
	}
}

// listenAt listens in the namespace, with a queue for early data of so many if that is not 0, and returns where.
func listenAt(t *testing.T, ns *bpftest.Namespace, early int) (listener *os.File, address string) {
	t.Helper()
	ns.Do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Error(err)
			return
		}
		listener = os.NewFile(uintptr(fd), "listener")
		t.Cleanup(func() { listener.Close() })
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			t.Error(err)
		}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Error(err)
		}
		if early > 0 {
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN, early); err != nil {
				t.Error(err)
			}
		}
		if err := unix.Listen(fd, 10); err != nil {
			t.Error(err)
		}
		at, err := unix.Getsockname(fd)
		if err != nil {
			t.Error(err)
			return
		}
		address = fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port)
	})
	return listener, address
}

// accept takes a connection from the listener's queue.
func accept(t *testing.T, listener *os.File) *os.File {
	t.Helper()
	fd, _, err := unix.Accept4(int(listener.Fd()), unix.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	accepted := os.NewFile(uintptr(fd), "accepted")
	t.Cleanup(func() { accepted.Close() })
	return accepted
}

// command is what the kernel calls this process.
func command(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return string(text[:len(text)-1])
}
