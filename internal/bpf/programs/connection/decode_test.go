package connection

import (
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/kerntap/kerntap/internal/bpf"
)

// base is what the header of every sample here was decoded into.
var base = bpf.BaseEvent{PID: 1234, VPID: 1, Timestamp: 7, WallOffset: 1e18, Command: "curl", Executable: "curl", NetNS: 5}

// words are an address as the kernel's sample holds it: network order, IPv4 as IPv4-mapped.
func words(address string) [4]uint32 {
	raw := netip.MustParseAddr(address).As16()
	var in [4]uint32
	for i := range in {
		in[i] = binary.NativeEndian.Uint32(raw[i*4:])
	}
	return in
}

func sampleOf(wire connectionConnectionEvent) []byte {
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&wire)), unsafe.Sizeof(wire))...)
}

// wireOf is a failed connect from local to peer.
func wireOf(local, peer string) connectionConnectionEvent {
	wire := connectionConnectionEvent{DurationNs: 1_500_000, Error: int32(syscall.ECONNREFUSED),
		Outcome: uint8(OutcomeFailed), Role: uint8(RoleClient)}
	wire.Local.Address, wire.Local.Port = words(local), 40000
	wire.Peer.Address, wire.Peer.Port = words(peer), 443
	return wire
}

func decode(t testing.TB, d *decoder, wire connectionConnectionEvent) *Event {
	t.Helper()
	event, err := d.decode(base, sampleOf(wire))
	if err != nil {
		t.Fatal(err)
	}
	return event.(*Event)
}

func TestASampleIsDecodedFieldByField(t *testing.T) {
	for _, test := range []struct{ local, peer, wantLocal, wantPeer string }{
		{"192.0.2.1", "198.51.100.2", "192.0.2.1:40000", "198.51.100.2:443"},
		{"::ffff:192.0.2.1", "::ffff:198.51.100.2", "192.0.2.1:40000", "198.51.100.2:443"},
		{"2001:db8::1", "2001:db8::2", "[2001:db8::1]:40000", "[2001:db8::2]:443"},
		{"0.0.0.0", "::1", "0.0.0.0:40000", "[::1]:443"},
	} {
		want := Event{
			BaseEvent: base, Outcome: OutcomeFailed, Role: RoleClient, Errno: syscall.ECONNREFUSED,
			Duration: 1500 * time.Microsecond,
			Local:    netip.MustParseAddrPort(test.wantLocal), Peer: netip.MustParseAddrPort(test.wantPeer),
		}
		if got := decode(t, new(decoder), wireOf(test.local, test.peer)); *got != want {
			t.Errorf("%s to %s: %+v, want %+v", test.local, test.peer, *got, want)
		}
	}
}

func TestEveryOutcomeAndRoleIsDecoded(t *testing.T) {
	for outcome, name := range map[Outcome]string{OutcomeOpened: "opened", OutcomeFailed: "failed", OutcomeClosed: "closed",
		OutcomeListenDropped: "listen_dropped"} {
		for role, roleName := range map[Role]string{RoleUnknown: "", RoleClient: "client", RoleServer: "server"} {
			wire := wireOf("192.0.2.1", "192.0.2.2")
			wire.Outcome, wire.Role = uint8(outcome), uint8(role)
			got := decode(t, new(decoder), wire)
			if got.Outcome.String() != name || got.Role.String() != roleName {
				t.Errorf("outcome %d, role %d: %s, %q", outcome, role, got.Outcome, got.Role)
			}
		}
	}
}

func TestAnUnknownOutcomeIsRefused(t *testing.T) {
	for _, outcome := range []uint8{0, uint8(OutcomeListenDropped) + 1, 255} {
		wire := wireOf("192.0.2.1", "192.0.2.2")
		wire.Outcome = outcome
		if event, err := new(decoder).decode(base, sampleOf(wire)); err == nil || event != nil {
			t.Errorf("outcome %d: %v, %v", outcome, event, err)
		}
	}
}

func TestASampleOfAnotherSizeIsRefused(t *testing.T) {
	sample := sampleOf(wireOf("192.0.2.1", "192.0.2.2"))
	for _, other := range [][]byte{nil, sample[:8], sample[:len(sample)-1], append(sample, 0)} {
		event, err := new(decoder).decode(base, other)
		if err == nil || event != nil || !strings.Contains(err.Error(), "connection: sample has") {
			t.Errorf("%d bytes: %v, %v", len(other), event, err)
		}
	}
}

func TestAnEventDoesNotAliasItsSample(t *testing.T) {
	sample := sampleOf(wireOf("2001:db8::1", "2001:db8::2"))
	event, err := new(decoder).decode(base, sample)
	if err != nil {
		t.Fatal(err)
	}
	before := *event.(*Event)
	for i := range sample {
		sample[i] = 0xff
	}
	if after := *event.(*Event); after != before {
		t.Errorf("the event became %+v with its sample", after)
	}
}

func FuzzDecode(f *testing.F) {
	for _, peer := range []string{"192.0.2.2", "2001:db8::2"} {
		wire := wireOf("192.0.2.1", peer)
		f.Add(sampleOf(wire))
		wire.Outcome, wire.Role, wire.Error = 255, 255, -1
		f.Add(sampleOf(wire))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sample []byte) {
		event, err := new(decoder).decode(base, sample)
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
