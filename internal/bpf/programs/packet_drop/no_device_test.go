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
// kernels panic, with luck, if that is read as a device: each load is another try.
func TestWhatIsNoDeviceIsNotTakenForOne(t *testing.T) {
	const n, loads, port = 5, 16, 4042
	ns := bpftest.NewNamespace(t)
	destination := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
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
		if len(dropped) != n {
			t.Errorf("%d packets, want %d", len(dropped), n)
		}
		for _, e := range dropped {
			if e.Interface != "" {
				t.Errorf("it is at %q: %s", e.Interface, e.Body())
			}
		}
	}
}
