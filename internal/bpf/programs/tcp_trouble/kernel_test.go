package tcp_trouble_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/bpf/programs/tcp_trouble"
)

func TestMain(m *testing.M) {
	bpftest.RunHelper(map[string]bpftest.Helper{"call": call})
	goleak.VerifyTestMain(m)
}

// call connects to each TCP address that it reads, gets a line that it does not read, sends one and closes: the kernel
// then resets the connection. It says when it is done.
func call(_ []string, stdin io.Reader, stdout io.Writer) error {
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		conn, err := net.Dial("tcp", lines.Text())
		if err == nil {
			_, err = fmt.Fprintln(conn, "hello")
			time.AfterFunc(300*time.Millisecond, func() { conn.Close(); fmt.Fprintln(stdout, "closed") })
		}
		if err != nil {
			fmt.Fprintln(stdout, err)
		}
	}
	return nil
}

// all records every kind.
func all() tcp_trouble.Config {
	return tcp_trouble.Config{Records: []string{"retransmit", "reset_sent", "reset_received"}}
}

// start runs the program beside the one that knows the owners.
func start(t *testing.T, config tcp_trouble.Config) *bpftest.Recorder {
	t.Helper()
	session := bpf.NewSession(nil)
	t.Cleanup(func() { session.Close() })
	storage := bpf.NewInMemoryStorage()
	bpftest.Start(t, connection.NewProgram(storage, bpf.WithSession(session)))
	return bpftest.Start(t, tcp_trouble.NewProgram(config, storage, bpf.WithSession(session)))
}

// counter reads a counter of the namespace from /proc/net/snmp or netstat, where a line of names stands above one of
// numbers.
func counter(t *testing.T, ns *bpftest.Namespace, file, group, name string) int {
	t.Helper()
	var text []byte
	var err error
	ns.Do(func() { text, err = os.ReadFile("/proc/thread-self/net/" + file) })
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] != group+":" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		n, err := strconv.Atoi(fields[slices.Index(names, name)])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	t.Fatalf("no %s in %s", name, file)
	return 0
}

// counted sums the tallies of a kind.
func counted(r *bpftest.Recorder, kind tcp_trouble.Kind, command string) (events, segments int) {
	for _, tally := range bpftest.Find(r, func(t *tcp_trouble.Tally) bool { return t.Kind == kind && t.Command == command }) {
		events += int(tally.N)
		segments += int(tally.Sum)
	}
	return events, segments
}

// serve accepts in the namespace and does with each connection as it is told.
func serve(t *testing.T, ns *bpftest.Namespace, do func(net.Conn)) netip.AddrPort {
	t.Helper()
	var listener net.Listener
	var err error
	ns.Do(func() { listener, err = net.Listen("tcp", "127.0.0.1:0") })
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			do(conn)
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return netip.MustParseAddrPort(listener.Addr().String())
}

// A connect to a closed port is answered with a reset, which no socket sends and the client's gets.
func TestResetsOfARefusedConnect(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t, all())
	const n = 10
	peer := netip.MustParseAddrPort("127.0.0.1:40021")
	ns.Do(func() {
		for range n {
			if conn, err := net.Dial("tcp", peer.String()); err == nil {
				conn.Close()
				t.Error("somebody listens there")
			}
		}
	})
	sent := counter(t, ns, "snmp", "Tcp", "OutRsts")
	recorder.Stop(t)
	of := func(kind tcp_trouble.Kind) []*tcp_trouble.Event {
		return bpftest.Find(recorder, func(e *tcp_trouble.Event) bool { return e.Kind == kind && e.NetNS == ns.Inode })
	}
	answered, got := of(tcp_trouble.ResetSent), of(tcp_trouble.ResetReceived)
	if len(got) != n || sent != n {
		t.Errorf("%d resets were received, the kernel has sent %d, want %d", len(got), sent, n)
	}
	for _, e := range got {
		if e.Peer != peer || e.PID != uint32(os.Getpid()) {
			t.Fatalf("%s[%d] from %s: %s", e.Command, e.PID, e.Peer, e.Body())
		}
	}
	// Kernels before 6.10 tell only of resets that a socket sends.
	if len(answered) != n && len(answered) != 0 {
		t.Errorf("%d resets were sent, want %d", len(answered), n)
	}
	for _, e := range answered {
		if e.Local != peer || e.PID != 0 || e.Command != "" || e.Reason != "NO_SOCKET" {
			t.Fatalf("%s[%d] at %s: %s", e.Command, e.PID, e.Local, e.Body())
		}
	}
}

// Whoever closes a connection with something unread in it resets it.
func TestAResetHasTheOwnerOfItsSocket(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t, all())
	server := serve(t, ns, func(conn net.Conn) {
		defer conn.Close()
		io.WriteString(conn, "unread")
		io.Copy(io.Discard, conn)
	})
	caller := ns.StartHelper(t, "kt-resetter", "call")
	caller.Send(t, server.String())
	of := func(kind tcp_trouble.Kind) *tcp_trouble.Event {
		return bpftest.Await(t, recorder, kind.String(), func(e *tcp_trouble.Event) bool {
			return e.Kind == kind && (e.Peer == server || e.Local == server)
		})
	}
	if e := of(tcp_trouble.ResetSent); e.PID != caller.PID || e.Command != "kt-resetter" || e.Peer != server {
		t.Errorf("sent: %s", e.Body())
	}
	if e := of(tcp_trouble.ResetReceived); e.PID != uint32(os.Getpid()) || e.Local != server {
		t.Errorf("received: %s", e.Body())
	}
}

// Retransmits are counted as the kernel counts them itself.
func TestRetransmitsAreThoseOfTheKernel(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	server := serve(t, ns, func(conn net.Conn) {
		defer conn.Close()
		io.Copy(io.Discard, conn)
	})
	ns.Firewall(t, fmt.Sprintf(`
add table inet t
add chain inet t in { type filter hook input priority 0; }
add rule inet t in tcp dport %d tcp flags & psh == psh quota until 300 bytes counter drop
`, server.Port()))
	recorder := start(t, tcp_trouble.DefaultConfig())
	talker := ns.StartHelper(t, "kt-again", "call")
	before := counter(t, ns, "snmp", "Tcp", "RetransSegs")
	for range 3 {
		talker.Send(t, server.String())
	}
	e := bpftest.Await(t, recorder, "a segment sent again", func(e *tcp_trouble.Event) bool {
		return e.Kind == tcp_trouble.Retransmit && e.Peer == server
	})
	if e.PID != talker.PID || e.Command != "kt-again" {
		t.Errorf("sent again by %s", e.Body())
	}
	ns.Run(t, "nft", "flush ruleset")
	var truth int
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		before := truth
		truth = counter(t, ns, "snmp", "Tcp", "RetransSegs")
		if truth == before && truth > 0 {
			break
		}
		<-time.After(time.Second)
	}
	recorder.Stop(t)
	if _, segments := counted(recorder, tcp_trouble.Retransmit, "kt-again"); segments != truth-before {
		t.Errorf("%d segments sent again, the kernel counts %d", segments, truth-before)
	}
	if found := bpftest.Find(recorder, func(e *tcp_trouble.Event) bool { return e.Kind != tcp_trouble.Retransmit }); len(found) > 0 {
		t.Errorf("a record that nobody asked for: %s", found[0].Body())
	}
}

// A connection that nothing befalls meets none of the hooks: they lie where nobody pays who has no trouble.
func TestHealthyConnectionsMeetNoHook(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	session := bpf.NewSession(nil)
	session.ScopeNetNS = ns.Inode
	t.Cleanup(func() { session.Close() })
	program := tcp_trouble.NewProgram(all(), bpf.NewInMemoryStorage(), bpf.WithSession(session))
	recorder := bpftest.Start(t, program)
	server := serve(t, ns, func(conn net.Conn) {
		defer conn.Close()
		io.Copy(conn, conn)
	})
	ns.Do(func() {
		for range 200 {
			conn, err := net.Dial("tcp", server.String())
			if err != nil {
				t.Error(err)
				return
			}
			_, err = conn.Write(make([]byte, 10_000))
			if err == nil {
				err = conn.(*net.TCPConn).CloseWrite()
			}
			if err == nil {
				_, err = io.Copy(io.Discard, conn)
			}
			if err := errors.Join(err, conn.Close()); err != nil {
				t.Error(err)
			}
		}
	})
	again := counter(t, ns, "snmp", "Tcp", "RetransSegs")
	recorder.Stop(t)
	if stats := program.Status().Stats; int(stats.Tallied) != again {
		t.Errorf("%+v, where the kernel sent %d segments again", stats, again)
	}
}
