package packet_drop_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

// conversation is one healthy way to use a connection: what the client and the server do with their ends.
type conversation struct {
	name           string
	network        string
	address        string
	connections    int
	client, server func(net.Conn) error
}

// large is more than a socket buffers, so that it is sent while the other end has already said that it sends no more.
var large = bytes.Repeat([]byte("kerntap "), 40_000)

func conversations(t *testing.T) []conversation {
	unix := filepath.Join(t.TempDir(), "s")
	return []conversation{
		{"server closes first", "tcp", "127.0.0.1:0", 1000, sendThenReadAll("ping"), readThenSend(4, []byte("pong"))},
		{"client closes first", "tcp", "127.0.0.1:0", 300, sendThenRead("ping", 4), answerUntilClosed},
		{"IPv6", "tcp", "[::1]:0", 300, sendThenReadAll("ping"), readThenSend(4, []byte("pong"))},
		{"half-close and a large answer", "tcp", "127.0.0.1:0", 100, halfCloseThenReadAll("ping"), readAllThenSend(large)},
		{"half-close and a large answer, IPv6", "tcp", "[::1]:0", 100, halfCloseThenReadAll("ping"), readAllThenSend(large)},
		{"large upload", "tcp", "127.0.0.1:0", 100, halfCloseThenReadAll(string(large)), readAllThenSend([]byte("done"))},
		{"a reader that pauses", "tcp", "127.0.0.1:0", 2, pauseThenReadAll, readThenSend(4, bytes.Repeat(large, 20))},
		{"idle with keep-alive", "tcp", "127.0.0.1:0", 2, idleWithKeepAlive, readThenSend(4, []byte("pong"))},
		{"AF_UNIX, closed before all is read", "unix", unix + "-unread", 1000, sendThenRead("ping", 2), readThenSend(4, []byte("pong"))},
		{"AF_UNIX", "unix", unix, 1000, sendThenReadAll("ping"), readThenSend(4, []byte("pong"))},
	}
}

func sendThenReadAll(text string) func(net.Conn) error {
	return func(conn net.Conn) error {
		if _, err := io.WriteString(conn, text); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, conn)
		return err
	}
}

func sendThenRead(text string, n int64) func(net.Conn) error {
	return func(conn net.Conn) error {
		if _, err := io.WriteString(conn, text); err != nil {
			return err
		}
		_, err := io.CopyN(io.Discard, conn, n)
		return err
	}
}

func halfCloseThenReadAll(text string) func(net.Conn) error {
	return func(conn net.Conn) error {
		if _, err := io.WriteString(conn, text); err != nil {
			return err
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, conn)
		return err
	}
}

// pauseThenReadAll lets the window close, so that the sender probes it, and then reads everything.
func pauseThenReadAll(conn net.Conn) error {
	if _, err := io.WriteString(conn, "ping"); err != nil {
		return err
	}
	<-time.After(1500 * time.Millisecond)
	_, err := io.Copy(io.Discard, conn)
	return err
}

// idleWithKeepAlive leaves the connection alone for two probes.
func idleWithKeepAlive(conn net.Conn) error {
	err := conn.(*net.TCPConn).SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second})
	if err != nil {
		return err
	}
	<-time.After(2500 * time.Millisecond)
	return sendThenReadAll("ping")(conn)
}

func readThenSend(n int64, answer []byte) func(net.Conn) error {
	return func(conn net.Conn) error {
		if _, err := io.CopyN(io.Discard, conn, n); err != nil {
			return err
		}
		_, err := conn.Write(answer)
		return err
	}
}

func readAllThenSend(answer []byte) func(net.Conn) error {
	return func(conn net.Conn) error {
		if _, err := io.Copy(io.Discard, conn); err != nil {
			return err
		}
		_, err := conn.Write(answer)
		return err
	}
}

func answerUntilClosed(conn net.Conn) error {
	_, err := io.Copy(conn, conn)
	return err
}

// What a healthy host does all day must not look like a loss. On a machine that is so slow that TCP takes a segment for
// lost, TCP sends it again, and drops one of the two: then nothing is said by what is dropped, and it is tried again.
func TestHealthyTrafficHasNoLoss(t *testing.T) {
	const attempts = 10
	left := conversations(t)
	for i := range left {
		if testing.Short() && i > 0 && left[i].connections >= 100 {
			left[i].connections /= 10 // the first one has a thousand
		}
	}
	for range attempts {
		// Numbers of namespaces are given again: those that are there before it is recorded were nobody else's meanwhile.
		had := make([]*spoken, len(left))
		for i, c := range left {
			had[i] = &spoken{conversation: c, ns: bpftest.NewNamespace(t)}
		}
		recorder := start(t)
		for _, k := range had {
			k.take(t)
		}
		recorder.Stop(t)
		left = nil
		for _, k := range had {
			if k.disturbed(t, recorder) {
				left = append(left, k.conversation)
			}
		}
		if len(left) == 0 {
			return
		}
	}
	t.Errorf("in each of %d attempts TCP sent segments again", attempts)
}

// spoken is a conversation that was had, and where.
type spoken struct {
	conversation
	ns *bpftest.Namespace
	at string
}

func (k *spoken) take(t *testing.T) {
	t.Helper()
	k.at = k.serve(t, k.ns)
	k.ns.Do(func() {
		for range k.connections {
			k.talk(t, k.at)
		}
	})
}

// disturbed tells whether nothing can be said, because TCP sent segments again. Otherwise it reports the drops that look
// as if something was wrong.
func (k *spoken) disturbed(t *testing.T, recorder *bpftest.Recorder) bool {
	t.Helper()
	var wrong []string
	classes := make(map[packet_drop.Class]int)
	for _, e := range bpftest.Find(recorder, belongs(k.ns, k.network, k.at)) {
		classes[e.Class()]++
		if e.Class() == packet_drop.ClassLoss || e.Detail() != bpf.Counted {
			wrong = append(wrong, fmt.Sprintf("%s: %s", e.Class(), e.Body()))
		}
	}
	again := 0
	k.ns.Do(func() { again = sentAgain(t) })
	if again > 0 && len(wrong) > 0 {
		t.Logf("%s: TCP sent %d segments again: %q", k.name, again, wrong)
		return true
	}
	for _, drop := range wrong {
		t.Errorf("%s: %s", k.name, drop)
	}
	if k.network == "unix" && len(classes) > 0 {
		t.Errorf("%s: buffers of AF_UNIX were taken for packets: %v", k.name, classes)
	}
	t.Logf("%s, %d connections: %v", k.name, k.connections, classes)
	return false
}

// belongs matches what may come of a conversation: every packet of its namespace, and for AF_UNIX everything that is
// no IP packet.
func belongs(ns *bpftest.Namespace, network, address string) func(*packet_drop.Event) bool {
	return func(e *packet_drop.Event) bool {
		if network == "unix" {
			return !e.Source.IsValid() && (e.NetNS == ns.Inode || e.NetNS == 0)
		}
		port := netip.MustParseAddrPort(address).Port()
		return e.NetNS == ns.Inode || e.NetNS == 0 && (e.Source.Port() == port || e.Destination.Port() == port)
	}
}

// serve accepts in the namespace and does the server's part with each connection until the test ends.
func (c conversation) serve(t *testing.T, ns *bpftest.Namespace) string {
	t.Helper()
	var listener net.Listener
	var err error
	ns.Do(func() { listener, err = net.Listen(c.network, c.address) })
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer conn.Close()
				if err := c.server(conn); err != nil {
					t.Errorf("server: %v", err)
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		open.Wait()
	})
	return listener.Addr().String()
}

func (c conversation) talk(t *testing.T, address string) {
	conn, err := net.Dial(c.network, address)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	if err := c.client(conn); err != nil {
		t.Errorf("client: %v", err)
	}
}
