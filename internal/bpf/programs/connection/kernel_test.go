package connection_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
)

func TestMain(m *testing.M) {
	bpftest.RunHelper(map[string]bpftest.Helper{"server": server, "client": client, "sink": sink, "burst": burst, "crowd": crowd, "hold": hold,
		"share": share, "talk": talk, "idle": idle,
		"callUDP": callUDP, "handOver": handOver, "busy": busy, "acceptOne": acceptOne,
		"dial": dial, "resetter": resetter, "daemon": daemon, "give": give, "take": take, "ask": ask, "echo": echo, "forkEach": forkEach, "keep": keep, "threads": threads,
		"acceptAndKeep": acceptAndKeep, "change": change, "inTurns": inTurns})
	goleak.VerifyTestMain(m)
}

// is matches events of one namespace, role and outcome.
func is(ns *bpftest.Namespace, role connection.Role, outcome connection.Outcome) func(*connection.Event) bool {
	return func(e *connection.Event) bool { return e.NetNS == ns.Inode && e.Role == role && e.Outcome == outcome }
}

func start(t *testing.T) *bpftest.Recorder {
	return bpftest.Start(t, connection.NewProgram(bpf.NewInMemoryStorage()))
}

func TestBothEndsOfAConnection(t *testing.T) {
	// of the whole test, and before anything is recorded: the next one would have the number of one that is gone
	namespaces := []*bpftest.Namespace{bpftest.NewNamespace(t), bpftest.NewNamespace(t)}
	recorder := start(t)
	for i, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		ns := namespaces[i]
		t.Run(address, func(t *testing.T) {
			srv := ns.StartHelper(t, "kt-server", "server", address)
			listening := netip.MustParseAddrPort(srv.Line(t))
			cli := ns.StartHelper(t, "kt-client", "client")
			cli.Send(t, listening.String())
			var pid int
			var from string
			fmt.Sscan(cli.Line(t), &pid, &from)
			ephemeral := netip.MustParseAddrPort(from)
			for _, want := range []struct {
				what    string
				role    connection.Role
				outcome connection.Outcome
				pid     uint32
				command string
				local   netip.AddrPort
				peer    netip.AddrPort
				lasts   bool
			}{
				{"client opened", connection.RoleClient, connection.OutcomeOpened, cli.PID, "kt-client", ephemeral, listening, true},
				{"server opened", connection.RoleServer, connection.OutcomeOpened, srv.PID, "kt-server", listening, ephemeral, false},
				{"client closed", connection.RoleClient, connection.OutcomeClosed, cli.PID, "kt-client", ephemeral, listening, true},
				{"server closed", connection.RoleServer, connection.OutcomeClosed, srv.PID, "kt-server", listening, ephemeral, true},
			} {
				e := bpftest.Await(t, recorder, want.what, is(ns, want.role, want.outcome))
				if e.PID != want.pid || e.Command != want.command || e.Executable != want.command {
					t.Errorf("%s: process %s[%d] (%s), want %s[%d]", want.what, e.Command, e.PID, e.Executable, want.command, want.pid)
				}
				if e.Local != want.local || e.Peer != want.peer {
					t.Errorf("%s: %s to %s, want %s to %s", want.what, e.Local, e.Peer, want.local, want.peer)
				}
				if (e.Duration > 0) != want.lasts || e.Errno != 0 || e.CloserPID != 0 {
					t.Errorf("%s: duration %s, errno %d, closer %d", want.what, e.Duration, e.Errno, e.CloserPID)
				}
			}
		})
	}
	recorder.Stop(t)
	for _, ns := range namespaces {
		all := bpftest.Find(recorder, func(e *connection.Event) bool { return e.NetNS == ns.Inode })
		if len(all) != 4 {
			t.Errorf("%d events of one connection, want 4", len(all))
		}
	}
}

func TestRefused(t *testing.T) {
	namespaces := []*bpftest.Namespace{bpftest.NewNamespace(t), bpftest.NewNamespace(t)}
	recorder := start(t)
	for i, address := range []string{"127.0.0.1:1", "[::1]:1"} {
		ns := namespaces[i]
		t.Run(address, func(t *testing.T) {
			cli := ns.StartHelper(t, "kt-refused", "client")
			cli.Send(t, address)
			cli.Line(t)
			e := bpftest.Await(t, recorder, "refused", is(ns, connection.RoleClient, connection.OutcomeFailed))
			if e.Errno != syscall.ECONNREFUSED || e.PID != cli.PID || e.Command != "kt-refused" {
				t.Errorf("%s[%d] failed with %v", e.Command, e.PID, e.Errno)
			}
			if e.Peer.String() != address || e.Duration <= 0 {
				t.Errorf("peer %s after %s", e.Peer, e.Duration)
			}
		})
	}
}

func TestMappedAddressIsIPv4(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	cli := ns.StartHelper(t, "kt-mapped", "client")
	cli.Send(t, "[::ffff:127.0.0.1]:1")
	cli.Line(t)
	e := bpftest.Await(t, recorder, "refused", is(ns, connection.RoleClient, connection.OutcomeFailed))
	if e.Peer.String() != "127.0.0.1:1" {
		t.Errorf("peer is %s", e.Peer)
	}
}

// MPTCP sockets change their state beside the TCP sockets that carry them: the connection is one all the same.
func TestAnMPTCPConnectionIsOneConnection(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	srv := ns.StartHelper(t, "kt-server", "server", "127.0.0.1:0")
	address := srv.Line(t)
	cli := ns.StartHelper(t, "kt-mptcp", "client", "mptcp")
	cli.Send(t, address)
	var pid uint32
	var from string
	fmt.Sscan(cli.Line(t), &pid, &from)
	bpftest.Await(t, recorder, "client closed", is(ns, connection.RoleClient, connection.OutcomeClosed))
	bpftest.Await(t, recorder, "server closed", is(ns, connection.RoleServer, connection.OutcomeClosed))
	recorder.Stop(t)
	all := bpftest.Find(recorder, func(e *connection.Event) bool { return e.NetNS == ns.Inode })
	if len(all) != 4 {
		t.Errorf("%d events, want 4", len(all))
	}
	for _, e := range all {
		if e.Role == connection.RoleClient && (e.PID != cli.PID || e.Command != "kt-mptcp") ||
			e.Role == connection.RoleServer && (e.PID != srv.PID || e.Command != "kt-server") {
			t.Errorf("%s is given to %s[%d]", e.EventName(), e.Command, e.PID)
		}
	}
}

// The group of a port belongs to several processes: each connection must be given to the one that got it.
func TestReusePortServersHaveTheirOwnConnections(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	first := ns.StartHelper(t, "kt-first", "server", "127.0.0.1:0")
	address := first.Line(t)
	second := ns.StartHelper(t, "kt-second", "server", address)
	second.Line(t)
	cli := ns.StartHelper(t, "kt-client", "client")
	answered := make(map[string]uint32)
	perServer := make(map[uint32]int)
	for range 40 {
		cli.Send(t, address)
		var pid uint32
		var from string
		fmt.Sscan(cli.Line(t), &pid, &from)
		answered[from] = pid
		perServer[pid]++
	}
	if perServer[first.PID] == 0 || perServer[second.PID] == 0 {
		t.Fatalf("one server got all connections: %v", perServer)
	}
	recorder.Stop(t)
	opened := bpftest.Find(recorder, is(ns, connection.RoleServer, connection.OutcomeOpened))
	if len(opened) != len(answered) {
		t.Errorf("%d connections were opened, want %d", len(opened), len(answered))
	}
	for _, e := range opened {
		if e.PID != answered[e.Peer.String()] {
			t.Errorf("%s was answered by %d and is given to %s[%d]", e.Peer, answered[e.Peer.String()], e.Command, e.PID)
		}
	}
}

// An answer by ICMP only goes into the socket's error queue while the process is inside connect; the process asks for it
// and closes. That is a failure with a reason, not a connect that was given up.
func TestRejectedByTheFirewall(t *testing.T) {
	recorder := start(t)
	for _, test := range []struct {
		address, with string
		want          syscall.Errno
	}{
		{"127.0.0.1:84", "tcp dport 84 reject", syscall.ECONNREFUSED},
		{"127.0.0.1:85", "tcp dport 85 reject with tcp reset", syscall.ECONNREFUSED},
		{"127.0.0.1:86", "tcp dport 86 reject with icmpx host-unreachable", syscall.EHOSTUNREACH},
		{"[::1]:86", "tcp dport 86 reject with icmpx admin-prohibited", syscall.EACCES},
	} {
		t.Run(test.with, func(t *testing.T) {
			ns := bpftest.NewNamespace(t)
			ns.Firewall(t, "add table inet t; add chain inet t in { type filter hook input priority 0; }; add rule inet t in "+test.with)
			caller := ns.StartHelper(t, "kt-rejected", "client")
			caller.Send(t, test.address)
			answer := caller.Line(t)
			e := bpftest.Await(t, recorder, "rejected", func(e *connection.Event) bool {
				return e.NetNS == ns.Inode && e.Peer.String() == test.address && e.Role == connection.RoleClient &&
					e.Outcome == connection.OutcomeFailed
			})
			if e.Errno != test.want || !strings.Contains(answer, e.Errno.Error()) || e.PID != caller.PID {
				t.Errorf("[%d] failed with %v; the process was told %q, want %v", e.PID, e.Errno, answer, test.want)
			}
		})
	}
}

func TestGivenUpConnectIsCancelled(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	ns.Firewall(t, "add table inet t; add chain inet t out { type filter hook output priority 0; }; add rule inet t out tcp dport 9 drop")
	recorder := start(t)
	ns.Do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Error(err)
			return
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}); err != unix.EINPROGRESS {
			t.Errorf("connect: %v", err)
		}
		unix.Close(fd)
	})
	e := bpftest.Await(t, recorder, "cancelled", is(ns, connection.RoleClient, connection.OutcomeFailed))
	if e.Errno != 0 || e.PID != uint32(os.Getpid()) {
		t.Errorf("[%d] failed with %v", e.PID, e.Errno)
	}
	if info, ok := e.ConnectionInfo(); !ok || info.ReturnCode == 0 {
		t.Errorf("a connect that was given up is listed as %+v", info)
	}
}

// A socket may be a connection, give it up and listen: its end is then no connection's.
func TestASocketThatListensAfterAConnectionIsNone(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	srv := ns.StartHelper(t, "kt-server", "server", "127.0.0.1:0")
	port := netip.MustParseAddrPort(srv.Line(t)).Port()
	ns.Do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(port), Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Error(err)
		}
		if _, err := unix.Read(fd, make([]byte, 10)); err != nil {
			t.Error(err)
		}
		if _, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&unix.RawSockaddrAny{})),
			unix.SizeofSockaddrAny); errno != 0 { // of family AF_UNSPEC: disconnects
			t.Error(errno)
		}
		if err := unix.Listen(fd, 1); err != nil {
			t.Error(err)
		}
	})
	recorder.Stop(t)
	command, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]uint64)
	for _, tally := range bpftest.Find(recorder, func(e *connection.Tally) bool { return e.Command+"\n" == string(command) }) {
		all[fmt.Sprint(tally.Role, " ", tally.Outcome)] += tally.N
	}
	if len(all) != 2 || all["client opened"] != 1 || all["client closed"] != 1 {
		t.Errorf("counted %v, want one client's connection", all)
	}
}

func TestPortsExhausted(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	ns.Run(t, "sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=40000 40000")
	srv := ns.StartHelper(t, "kt-server", "server", "127.0.0.1:5000")
	address := srv.Line(t)
	ns.Do(func() {
		held, err := net.Dial("tcp", address)
		if err != nil {
			t.Error(err)
			return
		}
		defer held.Close()
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			t.Error("a second connection found a port")
		}
	})
	e := bpftest.Await(t, recorder, "no port", is(ns, connection.RoleClient, connection.OutcomeFailed))
	if e.Errno != syscall.EADDRNOTAVAIL {
		t.Errorf("failed with %v", e.Errno)
	}
}
