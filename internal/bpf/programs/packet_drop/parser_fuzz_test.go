package packet_drop_test

import (
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

// FuzzHeaders has the running kernel drop whatever frames the fuzzer makes up, and compares what is told with what the
// standards say of them.
func FuzzHeaders(f *testing.F) {
	bpftest.Require(f)
	random := frames{rand.New(rand.NewPCG(1, 2))}
	for range 50 {
		f.Add(random.next()[12:])
	}
	pair := bpftest.NewPair(f)
	dropAll(f, pair)
	program := startDrops(f)
	f.Fuzz(func(t *testing.T, behindAddresses []byte) {
		const least, most = 2, 1502 // a type and nothing, and what the wire takes
		if n := len(behindAddresses); n < least || n > most || behindAddresses[0] < 6 {
			t.Skip("no frame of Ethernet II")
		}
		frame := bpftest.Ethernet(uint16(behindAddresses[0])<<8|uint16(behindAddresses[1]), behindAddresses[2:])
		pair.Send(t, frame)
		got := nextFrom(t, program, pair.Near).Packet
		got.Length, got.Interface, got.Direction = 0, "", ""
		if want := parse(frame); got != want {
			t.Errorf("% x:\n%+v, want\n%+v", frame, got, want)
		}
	})
}

// dropAll drops whatever arrives at the far end, before the kernel has looked at it.
func dropAll(f *testing.F, pair *bpftest.Pair) {
	f.Helper()
	const drop = 1 // XDP_DROP
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "drop_all", Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, drop), asm.Return()}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { program.Close() })
	pair.Far.Do(func() {
		var device *net.Interface
		if device, err = net.InterfaceByName(wire); err != nil {
			return
		}
		var attached link.Link
		attached, err = link.AttachXDP(link.XDPOptions{Program: program, Interface: device.Index, Flags: link.XDPGenericMode})
		if err == nil {
			f.Cleanup(func() { attached.Close() })
		}
	})
	if err != nil {
		f.Fatal(err)
	}
}

func startDrops(f *testing.F) bpf.BPFProgram {
	f.Helper()
	program := packet_drop.NewProgram(bpf.NewInMemoryStorage())
	for _, step := range []func() error{program.Load, program.Attach, func() error { return program.Start(f.Context()) }} {
		if err := step(); err != nil {
			f.Fatal(err)
		}
	}
	f.Cleanup(func() { program.Stop() })
	return program
}

// nextFrom is the next drop of what a namespace sent over the wire: other wires have the same name.
func nextFrom(t *testing.T, program bpf.BPFProgram, sender *bpftest.Namespace) *packet_drop.Event {
	t.Helper()
	patience := time.After(10 * time.Second)
	for {
		select {
		case event := <-program.GetEventChannel():
			if e, ok := event.(*packet_drop.Event); ok && e.Interface == wire && e.NetNS == sender.Inode {
				return e
			}
		case <-patience:
			t.Fatal("the drop is not told")
		}
	}
}
