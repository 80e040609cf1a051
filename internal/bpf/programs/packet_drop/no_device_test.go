package packet_drop_test

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

// What waits in a UDP socket's queue has something else where a device's address was, and is dropped with its socket. Old
// kernels panic, with luck, if that is read as a device: each load is another try. One in a hundred finds nothing on a busy
// Linux 6.18, which runs no program at all for a while now and then.
func TestWhatIsNoDeviceIsNotTakenForOne(t *testing.T) {
	const n, loads, port = 5, 10, 4042
	ns := bpftest.NewNamespace(t)
	destination := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	found := 0
	for range loads {
		bpftest.StartFloor(t, "inet_sock_set_state") // moves what the kernel keeps of programs
		recorder := startAll(t)
		session := bpf.NewSession(nil)
		session.ScopeNetNS = ns.Inode
		scoped, err := packet_drop.New(everything{}, bpf.NewInMemoryStorage(), bpf.WithSession(session))
		if err != nil {
			t.Fatal(err)
		}
		within := bpftest.Start(t, scoped)
		fd := bound(t, ns, port)
		datagrams(t, ns, destination.String(), n, []byte("nobody reads this"))
		unix.Close(fd)
		dropped := bpftest.AwaitN(recorder, n, 10*time.Second, to(destination))
		within.Stop(t)
		recorder.Stop(t)
		session.Close()
		found += len(dropped)
		for _, e := range dropped {
			if e.Interface != "" {
				t.Errorf("it is at %q: %s", e.Interface, e.Body())
			}
		}
	}
	if found < (loads-2)*n || found > loads*n {
		t.Errorf("%d packets, want %d", found, loads*n)
	}
}

// A later fragment that waits for the first has its offset where a socket's address was.
func TestAFragmentThatWaitsHasNoSocket(t *testing.T) {
	const loads = 6
	p := bpftest.NewPair(t)
	p.Far.Run(t, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ipfrag_time")
	packet := toFar()
	packet.Fragment = 1<<13 | 1480/8 // and there is more
	for range loads {
		bpftest.StartFloor(t, "inet_sock_set_state")
		recorder := startAll(t)
		frame(packet.UDP(4001, 4002, make([]byte, 16)))(t, p, 1)
		dropped := bpftest.AwaitN(recorder, 1, 20*time.Second, func(e *packet_drop.Event) bool {
			return e.Source.Addr() == bpftest.Near && e.NetNS != p.Near.Inode
		})
		recorder.Stop(t)
		if len(dropped) != 1 {
			t.Errorf("%d drops of it", len(dropped))
		}
		for _, e := range dropped {
			if e.Command != "" || e.Source.Port() != 0 {
				t.Errorf("it is somebody's: %s", e.Body())
			}
		}
	}
}
