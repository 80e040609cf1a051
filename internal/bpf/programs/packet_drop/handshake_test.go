package packet_drop_test

import (
	"net"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

// A connect that is sent again because the answer to it was lost is answered once more, and thrown away: the server runs.
func TestASYNThatIsSentAgainIsNotRefused(t *testing.T) {
	bpftest.Require(t)
	if !knownReasons(t)["NO_SOCKET"] {
		t.Skip("this kernel has no reason for what is refused")
	}
	pair := bpftest.NewPair(t)
	recorder := startAll(t)
	const port = 4014
	listen(t, pair, port)
	pair.Near.Firewall(t, "add table inet t\nadd chain inet t c { type filter hook input priority 0; }\n"+
		"add rule inet t c tcp sport 4014 counter drop")
	var err error
	pair.Near.Do(func() { _, err = net.DialTimeout("tcp4", "10.77.0.2:4014", 3500*time.Millisecond) })
	if err == nil {
		t.Fatal("the answer was not lost")
	}
	again := bpftest.AwaitN(recorder, 1, 5*time.Second, func(e *packet_drop.Event) bool {
		return e.Destination.Port() == port && e.NetNS == pair.Far.Inode
	})
	if sent := pair.Near.Counter(t, "snmp", "Tcp", "RetransSegs"); sent == 0 || len(again) == 0 {
		t.Errorf("sent %d times again, and dropped %d times", sent, len(again))
	}
	for _, e := range again {
		if e.Class() != packet_drop.ClassCleanup {
			t.Errorf("%s: %s", e.Class(), e.Body())
		}
	}
}

// The last word of a connection is lost on its way: the socket that owns it still is the sender's.
func TestAFINThatIsLostOnItsWayIsALoss(t *testing.T) {
	pair := bpftest.NewPair(t)
	recorder := startAll(t)
	clients, _ := joined(t, pair, 4015, 1)
	if !dropping(ebpf.XDP, 1, func(program *ebpf.Program, device int) (link.Link, error) {
		return link.AttachXDP(link.XDPOptions{Program: program, Interface: device, Flags: link.XDPGenericMode})
	})(t, pair) {
		t.Skip("this kernel cannot drop there")
	}
	if err := clients[0].CloseWrite(); err != nil {
		t.Fatal(err)
	}
	e := bpftest.Await(t, recorder, "the lost FIN", func(e *packet_drop.Event) bool {
		return e.Destination.Port() == 4015 && e.TCPFlags&1 != 0
	})
	if e.Class() != packet_drop.ClassLoss || e.Interface != wire || e.Direction != in {
		t.Errorf("%s, on %s %s: %s", e.Class(), e.Interface, e.Direction, e.Body())
	}
}
