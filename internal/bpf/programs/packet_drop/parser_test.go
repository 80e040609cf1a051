package packet_drop_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

// Whatever is sent: a record says what the packet says, nothing that lies behind its end, and none is missing.
func TestHeadersAreReadAsTheyStand(t *testing.T) {
	for name, drop := range map[string]func(*testing.T, *bpftest.Pair) bool{
		// before the kernel has looked at VLAN tags, and after it has taken the first off
		"XDP": dropping(ebpf.XDP, 1, func(program *ebpf.Program, device int) (link.Link, error) {
			return link.AttachXDP(link.XDPOptions{Program: program, Interface: device, Flags: link.XDPGenericMode})
		}),
		"traffic control": dropping(ebpf.SchedCLS, 2, func(program *ebpf.Program, device int) (link.Link, error) {
			return link.AttachTCX(link.TCXOptions{Program: program, Interface: device, Attach: ebpf.AttachTCXIngress})
		}),
	} {
		t.Run(name, func(t *testing.T) {
			pair := bpftest.NewPair(t)
			if !drop(t, pair) {
				t.Skip("this kernel cannot drop there")
			}
			program := packet_drop.NewProgram(bpf.NewInMemoryStorage())
			recorder := bpftest.Start(t, program)
			rounds := 10
			if testing.Short() {
				rounds = 3
			}
			seed := uint64(time.Now().UnixNano())
			random := frames{rand.New(rand.NewPCG(seed, 0))}
			t.Logf("seed %d", seed)
			var sent [][]byte
			onWire := func(e *packet_drop.Event) bool { return e.Interface == wire }
			for range rounds {
				for range 200 { // what the ring has room for
					frame := random.next()
					pair.Send(t, frame)
					sent = append(sent, frame)
				}
				bpftest.AwaitN(recorder, len(sent), 10*time.Second, onWire)
			}
			recorder.Stop(t)
			found := bpftest.Find(recorder, onWire)
			if len(found) != len(sent) {
				t.Fatalf("%d packets of %d are told: %+v", len(found), len(sent), program.Status().Stats)
			}
			seen := packet_drop.Known(0)
			for i, e := range found {
				want := parse(sent[i])
				seen |= want.Known
				got := e.Packet
				got.Length, got.Interface, got.Direction = 0, "", ""
				if got != want {
					t.Fatalf("frame %d, % x:\n%+v, want\n%+v", i, sent[i], got, want)
				}
			}
			if seen != all {
				t.Errorf("only %b of what packets have was seen", seen)
			}
		})
	}
}
