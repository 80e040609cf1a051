package packet_drop_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

func TestMain(m *testing.M) {
	bpftest.RunHelper(map[string]bpftest.Helper{"talk": talk, "flood": flood, "spin": spin})
	goleak.VerifyTestMain(m)
}

// talk sends one line to each TCP address that it reads and says when it is done.
func talk(_ []string, stdin io.Reader, stdout io.Writer) error {
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		conn, err := net.Dial("tcp", lines.Text())
		if err == nil {
			_, err = fmt.Fprintln(conn, "hello")
			defer conn.Close()
		}
		fmt.Fprintln(stdout, err)
	}
	return lines.Err()
}

// startBesideConnections starts the program beside the one that knows whose sockets are.
func startBesideConnections(t *testing.T) *bpftest.Recorder {
	t.Helper()
	session := bpf.NewSession(nil)
	t.Cleanup(func() { session.Close() })
	storage := bpf.NewInMemoryStorage()
	bpftest.Start(t, connection.NewProgram(storage, bpf.WithSession(session)))
	return bpftest.Start(t, packet_drop.NewProgram(storage, bpf.WithSession(session)))
}

func start(t *testing.T) *bpftest.Recorder {
	return bpftest.Start(t, packet_drop.NewProgram(bpf.NewInMemoryStorage()))
}

// to matches packets to a destination that no other test uses.
func to(destination netip.AddrPort) func(*packet_drop.Event) bool {
	return func(e *packet_drop.Event) bool { return e.Destination == destination }
}

// datagrams sends n UDP datagrams from inside the namespace and returns the sender's address.
func datagrams(t *testing.T, ns *bpftest.Namespace, destination string, n int, payload []byte) netip.AddrPort {
	t.Helper()
	var from netip.AddrPort
	ns.Do(func() {
		conn, err := net.Dial("udp", destination)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		from = netip.MustParseAddrPort(conn.LocalAddr().String())
		for range n {
			if _, err := conn.Write(payload); errors.Is(err, syscall.ECONNREFUSED) {
				conn.Write(payload) // the first only told of the answer to the one before
			}
		}
	})
	return from
}

const firewall = `
add table inet t
add chain inet t in { type filter hook input priority 0; }
add chain inet t out { type filter hook output priority 0; }
add rule inet t in udp dport 40009 counter drop
add rule inet t out udp dport 40010 counter drop
add rule inet t out tcp dport 40011 counter drop
`

func TestFirewallDropsInputAndOutput(t *testing.T) {
	const n = 20
	recorder, payload, senders := start(t), []byte("twelve bytes"), make(map[string]netip.AddrPort)
	tests := []struct{ name, destination string }{
		{"input", "127.0.0.1:40009"},
		{"output", "127.0.0.1:40010"},
		{"input IPv6", "[::1]:40009"},
		{"output IPv6", "[::1]:40010"},
	}
	for _, test := range tests {
		ns := bpftest.NewNamespace(t)
		ns.Firewall(t, firewall)
		senders[test.destination] = datagrams(t, ns, test.destination, n, payload)
	}
	recorder.Stop(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			from := senders[test.destination]
			destination := netip.MustParseAddrPort(test.destination)
			found := bpftest.Find(recorder, to(destination))
			if len(found) != n {
				t.Errorf("%d packets were reported, the firewall dropped %d", len(found), n)
			}
			for _, e := range found {
				if e.Class() != packet_drop.ClassLoss || e.Source != from || e.Protocol != 17 {
					t.Fatalf("class %s, from %s, protocol %d; want loss, %s, 17", e.Class(), e.Source, e.Protocol, from)
				}
				if e.Reason() != "" && e.Reason() != "NETFILTER_DROP" {
					t.Fatalf("reason %s", e.Reason())
				}
				if headers := 28; destination.Addr().Is4() && int(e.Length) != len(payload)+headers {
					t.Fatalf("%d bytes, want %d", e.Length, len(payload)+headers)
				}
			}
		})
	}
}

func TestNoSocketIsRefused(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	from := datagrams(t, ns, "127.0.0.1:40012", 1, []byte("anybody there?"))
	recorder.Stop(t)
	found := bpftest.Find(recorder, to(netip.MustParseAddrPort("127.0.0.1:40012")))
	if len(found) != 1 {
		t.Fatalf("%d packets were reported, want 1", len(found))
	}
	if e := found[0]; e.Reason() != "" && (e.Reason() != "NO_SOCKET" || e.Class() != packet_drop.ClassRefused || e.Source != from) {
		t.Errorf("reason %s, class %s, from %s", e.Reason(), e.Class(), e.Source)
	}
}

// The owner of a dropped packet is the process whose socket sent it, known from its connect.
func TestDropOfASocketHasItsOwner(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	ns.Firewall(t, firewall)
	recorder := startBesideConnections(t)
	caller := ns.StartHelper(t, "kt-caller", "talk")
	caller.Send(t, "127.0.0.1:40011")
	e := bpftest.Await(t, recorder, "dropped SYN", to(netip.MustParseAddrPort("127.0.0.1:40011")))
	if e.PID != caller.PID || e.Command != "kt-caller" {
		t.Errorf("owner is %s[%d], want kt-caller[%d]", e.Command, e.PID, caller.PID)
	}
}

func TestLocationIsASymbolOrAbsent(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	ns.Firewall(t, firewall)
	recorder := start(t)
	datagrams(t, ns, "127.0.0.1:40009", 1, nil)
	e := bpftest.Await(t, recorder, "firewall drop", to(netip.MustParseAddrPort("127.0.0.1:40009")))
	if location := e.Location(); location != "" && location[0] >= '0' && location[0] <= '9' {
		t.Errorf("location %q is a number", location)
	}
	if os.Geteuid() == 0 && e.Location() == "" {
		t.Log("symbols are hidden from root here: kernel.kptr_restrict is 2")
	}
}

// A FIN that is sent again, because its acknowledgement was lost, meets a connection in TIME_WAIT. The kernel answers it
// and frees it without a reason: nothing was lost.
func TestPacketForTimeWaitIsCleanup(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	var listener net.Listener
	ns.Do(func() {
		var err error
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Error(err)
		}
	})
	defer listener.Close()
	server := netip.MustParseAddrPort(listener.Addr().String())
	ns.Do(func() {
		conn, err := net.Dial("tcp", server.String())
		if err != nil {
			t.Error(err)
			return
		}
		accepted, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		if out, err := exec.Command("nft", fmt.Sprintf("add table inet t; "+
			"add chain inet t out { type filter hook output priority 0; }; "+
			"add rule inet t out tcp sport %d tcp flags & (fin|syn|rst|ack) == ack drop", server.Port())).CombinedOutput(); err != nil {
			t.Errorf("nft: %v, %s", err, out)
		}
		accepted.Close()
		io.ReadAll(conn)
		conn.Close()
	})
	// Nobody wants a record of clean-up, so that only its row tells of it.
	tally := bpftest.Await(t, recorder, "FIN sent again", func(t *packet_drop.Tally) bool {
		return strings.HasPrefix(t.Location(), "tcp_v4_rcv") && t.Reason() != "NO_SOCKET"
	})
	if tally.Class() != packet_drop.ClassCleanup {
		t.Errorf("%s at %s is %s", tally.Reason(), tally.Location(), tally.Class())
	}
}
