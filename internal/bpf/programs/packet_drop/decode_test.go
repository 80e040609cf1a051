package packet_drop

import (
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/kernel"
)

// base is what the header of every sample here was decoded into.
var base = bpf.BaseEvent{PID: 1234, VPID: 1, Timestamp: 7, WallOffset: 1e18, Command: "curl", Executable: "curl"}

// The numbers of a kernel that no test runs on.
const (
	reasonNotSpecified = 2
	reasonNoSocket     = 3
	reasonNetfilter    = 8
	reasonPurge        = 120

	atReceive = 0xffffffff81000000
	atKill    = 0xffffffff81000400
)

// drops returns a decoder that knows the reasons and the symbols of that kernel.
func drops(t testing.TB) *decoder {
	t.Helper()
	builder, err := btf.NewBuilder([]btf.Type{&btf.Enum{Name: "skb_drop_reason", Size: 4, Values: []btf.EnumValue{
		{Name: "SKB_CONSUMED", Value: 1},
		{Name: "SKB_DROP_REASON_NOT_SPECIFIED", Value: reasonNotSpecified},
		{Name: "SKB_DROP_REASON_NO_SOCKET", Value: reasonNoSocket},
		{Name: "SKB_DROP_REASON_NETFILTER_DROP", Value: reasonNetfilter},
		{Name: "SKB_DROP_REASON_QUEUE_PURGE", Value: reasonPurge},
	}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	types, err := builder.Spec()
	if err != nil {
		t.Fatal(err)
	}
	reasons, err := kernel.LoadReasonNames(types)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kallsyms")
	const symbols = "ffffffff81000000 T ip_rcv_core\nffffffff81000400 T sk_stream_kill_queues\nffffffff81000800 T after\n"
	if err := os.WriteFile(path, []byte(symbols), 0o600); err != nil {
		t.Fatal(err)
	}
	located, err := kernel.LoadSymbols(path)
	if err != nil {
		t.Fatal(err)
	}
	d := unlearned()
	d.reasons, d.symbols = reasons, located
	return d
}

// unlearned knows nothing of any kernel.
func unlearned() *decoder {
	config := DefaultConfig()
	d := &decoder{causes: causes{config: new(atomic.Pointer[Config])}}
	d.config.Store(&config)
	return d
}

// words are an address as the kernel's sample holds it: network order, IPv4 as IPv4-mapped.
func words(address string) [4]uint32 {
	raw := netip.MustParseAddr(address).As16()
	var in [4]uint32
	for i := range in {
		in[i] = binary.NativeEndian.Uint32(raw[i*4:])
	}
	return in
}

func sampleOf(wire packetDropPacketDropEvent) []byte {
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&wire)), unsafe.Sizeof(wire))...)
}

// wireOf is a TCP packet that a firewall dropped.
func wireOf(ethertype uint16, source, destination string) packetDropPacketDropEvent {
	wire := packetDropPacketDropEvent{Location: atReceive + 0x1f, Reason: reasonNetfilter, Length: 60}
	wire.Packet.Ethertype, wire.Packet.Protocol = ethertype, 6
	wire.Packet.Known = uint8(KnownAddresses | KnownProtocol | KnownPorts)
	wire.Packet.Source.Address, wire.Packet.Source.Port = words(source), 40000
	wire.Packet.Destination.Address, wire.Packet.Destination.Port = words(destination), 443
	return wire
}

func decode(t testing.TB, d *decoder, wire packetDropPacketDropEvent) *Event {
	t.Helper()
	event, err := d.decode(base, sampleOf(wire))
	if err != nil {
		t.Fatal(err)
	}
	return event.(*Event)
}

func TestASampleIsDecodedFieldByField(t *testing.T) {
	d := drops(t)
	for _, test := range []struct {
		ethertype                          uint16
		source, destination                string
		wantSource, wantDestination, where string
	}{
		{etherTypeIPv4, "192.0.2.1", "198.51.100.2", "192.0.2.1:40000", "198.51.100.2:443", "IPv4"},
		{etherTypeIPv6, "2001:db8::1", "2001:db8::2", "[2001:db8::1]:40000", "[2001:db8::2]:443", "IPv6"},
		{etherTypeIPv6, "::ffff:192.0.2.1", "::1", "[::ffff:192.0.2.1]:40000", "[::1]:443", "IPv4-mapped on the wire"},
	} {
		got := *decode(t, d, wireOf(test.ethertype, test.source, test.destination))
		want := Event{
			BaseEvent: base, cause: got.cause, ReasonCode: reasonNetfilter, Packet: Packet{
				Length: 60, EtherType: test.ethertype, Known: KnownAddresses | KnownProtocol | KnownPorts, Protocol: 6,
				Source:      netip.MustParseAddrPort(test.wantSource),
				Destination: netip.MustParseAddrPort(test.wantDestination),
			},
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", test.where, got, want)
		}
		if got.Reason() != "NETFILTER_DROP" || got.Class() != ClassLoss || got.Location() != "ip_rcv_core+0x1f" {
			t.Errorf("%s: %s, %s at %s", test.where, got.Reason(), got.Class(), got.Location())
		}
	}
}

func TestAPacketTellsNoMoreThanItsHeadersDid(t *testing.T) {
	d := drops(t)
	wire := wireOf(etherTypeIPv4, "192.0.2.1", "198.51.100.2")
	wire.Packet.Known &^= uint8(KnownPorts)
	wire.Packet.Source.Port, wire.Packet.Destination.Port = 0, 0
	if e := decode(t, d, wire); e.has(KnownPorts) || !e.Source.IsValid() || e.transport() != "tcp" {
		t.Errorf("a later fragment: %+v", *e)
	}
	wire.Packet.Known = 0
	if e := decode(t, d, wire); e.Source.IsValid() || e.Destination.IsValid() || e.transport() != "" {
		t.Errorf("a packet without a readable header: %+v", *e)
	}
}

func TestReasonsAreNamedByTheKernelOrByTheirNumber(t *testing.T) {
	for number, want := range map[uint32]string{
		1: "SKB_CONSUMED", reasonNotSpecified: "NOT_SPECIFIED", reasonNoSocket: "NO_SOCKET", 77: "77", 0x10001: "65537", 0: "",
	} {
		wire := wireOf(etherTypeIPv4, "192.0.2.1", "192.0.2.2")
		wire.Reason = number
		if e := decode(t, drops(t), wire); e.Reason() != want || e.ReasonCode != number {
			t.Errorf("reason %d is %q (%d), want %q", number, e.Reason(), e.ReasonCode, want)
		}
	}
	if e := decode(t, unlearned(), packetDropPacketDropEvent{}); e.Reason() != "" || e.Location() != "" || e.Class() != ClassLoss {
		t.Errorf("a kernel without reasons and symbols: %q, %s at %q", e.Reason(), e.Class(), e.Location())
	}
}

func TestAReasonThatSaysNothingIsClassedByItsPlace(t *testing.T) {
	d := drops(t)
	for location, want := range map[uint64]Class{atReceive: ClassLoss, atKill + 8: ClassCleanup, 1: ClassLoss} {
		wire := wireOf(etherTypeIPv4, "192.0.2.1", "192.0.2.2")
		wire.Reason, wire.Location = reasonNotSpecified, location
		if e := decode(t, d, wire); e.Class() != want {
			t.Errorf("not specified at %q is %s, want %s", e.Location(), e.Class(), want)
		}
	}
}

func TestACauseIsLookedUpOnceAndBoundedly(t *testing.T) {
	d := drops(t)
	wire := wireOf(etherTypeIPv4, "192.0.2.1", "192.0.2.2")
	if first, second := decode(t, d, wire), decode(t, d, wire); first.cause != second.cause {
		t.Error("the same cause was looked up twice")
	}
	for i := range 2*maxCauses + 1 {
		wire.Location = atReceive + uint64(i)
		decode(t, d, wire)
		if len(d.known) > maxCauses {
			t.Fatalf("%d causes are remembered", len(d.known))
		}
	}
}

func TestASampleOfAnotherSizeIsRefused(t *testing.T) {
	sample := sampleOf(wireOf(etherTypeIPv4, "192.0.2.1", "192.0.2.2"))
	for _, other := range [][]byte{nil, sample[:8], sample[:len(sample)-1], append(sample, 0)} {
		event, err := unlearned().decode(base, other)
		if err == nil || event != nil || !strings.Contains(err.Error(), "packet drop: sample has") {
			t.Errorf("%d bytes: %v, %v", len(other), event, err)
		}
	}
}

func TestAnEventDoesNotAliasItsSample(t *testing.T) {
	sample := sampleOf(wireOf(etherTypeIPv6, "2001:db8::1", "2001:db8::2"))
	event, err := drops(t).decode(base, sample)
	if err != nil {
		t.Fatal(err)
	}
	e := event.(*Event)
	before, cause := *e, *e.cause
	for i := range sample {
		sample[i] = 0xff
	}
	if *e != before || *e.cause != cause {
		t.Errorf("the event became %+v with its sample", *e)
	}
}

func FuzzDecode(f *testing.F) {
	for _, ethertype := range []uint16{etherTypeIPv4, etherTypeIPv6, 0x0806} {
		wire := wireOf(ethertype, "192.0.2.1", "2001:db8::2")
		f.Add(sampleOf(wire))
		wire.Packet.Known, wire.Reason, wire.Location = 0, 1<<31, ^uint64(0)
		f.Add(sampleOf(wire))
	}
	f.Add([]byte{})
	d := drops(f)
	f.Fuzz(func(t *testing.T, sample []byte) {
		event, err := d.decode(base, sample)
		if err != nil {
			if event != nil {
				t.Errorf("both an event and %v", err)
			}
			return
		}
		e := event.(*Event)
		if e.Body() == "" || len(e.Attributes(nil)) == 0 {
			t.Errorf("%+v does not describe itself", *e)
		}
		if _, err := json.Marshal(e); err != nil {
			t.Error(err)
		}
	})
}
