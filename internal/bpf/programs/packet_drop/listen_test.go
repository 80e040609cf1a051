package packet_drop_test

import (
	"context"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// listen makes the far end listen and accept nothing. So many connections fill its queue, and one more overfills it.
func listen(t *testing.T, p *bpftest.Pair, port int) {
	t.Helper()
	var fd int
	var err error
	p.Far.Do(func() {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return
		}
		if err = unix.Bind(fd, &unix.SockaddrInet4{Port: port}); err == nil {
			err = unix.Listen(fd, often)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
}

// Clients whose last part of the handshake is held back until all have begun find the queue full. Each later SYN of a
// listener that is full is used up without a word, so that no packet is dropped then.
func TestListenOverflowsAreThoseOfTheKernel(t *testing.T) {
	bpftest.Require(t)
	if !knownReasons(t)["TCP_LISTEN_OVERFLOW"] {
		t.Skip("this kernel has no reason for it")
	}
	pair := bpftest.NewPair(t)
	recorder := startBesideConnections(t)
	listen(t, pair, 4011)
	connect := func() {
		pair.Near.Do(func() {
			for range often {
				dialer := net.Dialer{Timeout: 5 * time.Second}
				conn, err := dialer.DialContext(context.Background(), "tcp4", "10.77.0.2:4011")
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(func() { conn.Close() })
			}
		})
	}
	connect()
	pair.Near.Firewall(t, "add table inet t\nadd chain inet t c { type filter hook output priority 0; }\n"+
		"add rule inet t c tcp dport 4011 tcp flags & (syn|ack) == ack drop")
	connect()
	pair.Near.Run(t, "nft", "flush ruleset") // the next SYN-ACKs are answered
	overflows := func() int { return pair.Far.Counter(t, "netstat", "TcpExt", "ListenOverflows") }
	for deadline := time.Now().Add(20 * time.Second); overflows() < often/2 && time.Now().Before(deadline); {
		<-time.After(100 * time.Millisecond)
	}
	pair.Near.Run(t, "ip", "link", "set", bpftest.Wire, "down") // and no others
	recorder.Stop(t)
	truth := overflows()
	found := bpftest.Find(recorder, func(e *packet_drop.Event) bool {
		return e.Reason() == "TCP_LISTEN_OVERFLOW" && e.Destination.Port() == 4011
	})
	if len(found) != truth || truth < often/2 {
		t.Errorf("%d records, the kernel counts %d", len(found), truth)
	}
	for _, e := range found {
		if e.Class() != packet_drop.ClassLoss || e.Source.Addr() != bpftest.Near {
			t.Fatalf("%s: %s", e.Class(), e.Body())
		}
	}
	counted := 0.0
	for _, tally := range bpftest.Find(recorder, func(t *packet_drop.Tally) bool { return t.Reason() == "TCP_LISTEN_OVERFLOW" }) {
		for _, m := range tally.Measurements(nil) {
			if m.Metric == &telemetry.TCPListenOverflows {
				counted += m.Value
			}
		}
	}
	if counted < float64(truth) {
		t.Errorf("the metric counts %v, the kernel %d", counted, truth)
	}
}
