package packet_drop_test

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

// mouth is what both ends of a tunnel are called.
const mouth = "kt1"

// The ends of a tunnel, and where to datagrams go through it.
var (
	innerNear = netip.MustParseAddr("10.99.0.1")
	innerFar  = netip.AddrPortFrom(netip.MustParseAddr("10.99.0.2"), 9)
)

// tunnel is a kind of device that wraps packets into others.
type tunnel struct {
	kind, settings string
	protocol       uint8  // of the outer packet
	port           uint16 // that it goes to, 0 where it has none
	overhead       uint32 // bytes before the inner IP header
	frames         bool   // it carries frames, whose ends are to be known so that nobody asks
}

var tunnels = []tunnel{
	{kind: "vxlan", settings: "id 7 dstport 4789", protocol: unix.IPPROTO_UDP, port: 4789, overhead: 20 + 8 + 8 + 14, frames: true},
	{kind: "gre", protocol: unix.IPPROTO_GRE, overhead: 20 + 4},
	{kind: "gretap", protocol: unix.IPPROTO_GRE, overhead: 20 + 4 + 14, frames: true},
	{kind: "ipip", protocol: unix.IPPROTO_IPIP, overhead: 20},
}

// dig joins both ends of the wire by the tunnel too; false if this kernel cannot.
func (u *tunnel) dig(t *testing.T, p *bpftest.Pair) bool {
	t.Helper()
	for _, end := range []struct {
		ns                  *bpftest.Namespace
		local, remote       netip.Addr
		inner, peer         netip.Addr
		hardware, neighbour string
	}{
		{p.Near, bpftest.Near, bpftest.Far, innerNear, innerFar.Addr(), "02:00:00:00:01:01", "02:00:00:00:01:02"},
		{p.Far, bpftest.Far, bpftest.Near, innerFar.Addr(), innerNear, "02:00:00:00:01:02", "02:00:00:00:01:01"},
	} {
		add := fmt.Sprintf("link add %s type %s local %s remote %s %s", mouth, u.kind, end.local, end.remote, u.settings)
		if u.frames {
			add = strings.Replace(add, " type", " address "+end.hardware+" type", 1)
		}
		var err error
		var out []byte
		end.ns.Do(func() { out, err = exec.Command("ip", strings.Fields(add)...).CombinedOutput() })
		if err != nil {
			t.Logf("ip %s: %v, %s", add, err, out)
			return false
		}
		end.ns.Run(t, "ip", "address", "add", end.inner.String()+"/24", "dev", mouth)
		end.ns.Run(t, "ip", "link", "set", mouth, "up")
		if u.frames {
			end.ns.Run(t, "ip", "neigh", "replace", end.peer.String(), "lladdr", end.neighbour, "nud", "permanent", "dev", mouth)
		}
	}
	return true
}

// outer is what the firewall knows the tunnel's packets by.
func (u *tunnel) outer() string {
	if u.port != 0 {
		return fmt.Sprintf("udp dport %d", u.port)
	}
	return fmt.Sprintf("meta l4proto %d", u.protocol)
}

// Of a packet in a tunnel the outer one is told, on either end, until the kernel has taken it off.
func TestOfAPacketInATunnelTheOuterOneIsTold(t *testing.T) {
	bpftest.Require(t)
	bpftest.RequireTool(t, "nft")
	bpftest.RequireTool(t, "ip")
	recorder := startAll(t)
	const inner = 20 + 8 + 4 // what sent sends
	for _, u := range tunnels {
		wrapped := packet_drop.Packet{EtherType: unix.ETH_P_IP, Protocol: u.protocol, Length: inner + u.overhead,
			Source: netip.AddrPortFrom(bpftest.Near, 0), Destination: netip.AddrPortFrom(bpftest.Far, u.port)}
		bare := packet_drop.Packet{EtherType: unix.ETH_P_IP, Protocol: unix.IPPROTO_UDP, Length: inner,
			Source: netip.AddrPortFrom(innerNear, 0), Destination: innerFar}
		for _, place := range []struct {
			name              string
			at                func(*bpftest.Pair) *bpftest.Namespace
			hook, rule        string
			want              packet_drop.Packet
			device, direction string
		}{
			{"sent", near, "output", u.outer(), wrapped, mouth, out},
			{"received", far, "input", u.outer(), wrapped, wire, in},
			{"unwrapped", far, "input", "udp dport 9", bare, mouth, in},
		} {
			t.Run(u.kind+" "+place.name, func(t *testing.T) {
				pair := bpftest.NewPair(t)
				if !u.dig(t, pair) {
					t.Skip("this kernel has no such tunnel")
				}
				ns := place.at(pair)
				ns.Firewall(t, "add table inet t\nadd chain inet t c { type filter hook "+place.hook+
					" priority 0; }\nadd rule inet t c "+place.rule+" counter drop")
				dropped := func(e *packet_drop.Event) bool { return e.NetNS == ns.Inode }
				told := len(bpftest.Find(recorder, dropped)) // of an earlier namespace that had the same number
				sent(near, innerFar)(t, pair, often)
				found := bpftest.AwaitN(recorder, told+often, 5*time.Second, dropped)[told:]
				if truth := ns.FirewallCount(t); len(found) != truth || truth != often {
					t.Errorf("%d drops are told, the firewall counts %d, %d were sent", len(found), truth, often)
				}
				place.want.Interface, place.want.Direction = place.device, place.direction
				for _, e := range found {
					got := e.Packet
					if got.Source = netip.AddrPortFrom(e.Source.Addr(), 0); got.Known&packet_drop.KnownAddresses == 0 {
						t.Fatalf("no addresses: %s", e.Body())
					}
					if got.Known = 0; got != place.want {
						t.Fatalf("%s\n%+v, want\n%+v", e.Body(), got, place.want)
					}
				}
				if len(found) > 0 {
					t.Log(found[0].Body())
				}
			})
		}
	}
}
