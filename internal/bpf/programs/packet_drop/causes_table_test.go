package packet_drop_test

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
	"github.com/kerntap/kerntap/internal/telemetry"
)

const (
	loss, refused, cleanup = packet_drop.ClassLoss, packet_drop.ClassRefused, packet_drop.ClassCleanup
	in, out                = telemetry.Receive, telemetry.Transmit
	wire                   = bpftest.Wire
)

// beyond is an address that only a router could reach.
var beyond = netip.MustParseAddr("10.78.0.9")

// toFar is a packet for the far end.
func toFar() bpftest.IPv4 {
	return bpftest.IPv4{Source: bpftest.Near, Destination: bpftest.Far, TTL: 64}
}

// frame sends one packet again and again.
func frame(packet []byte) func(*testing.T, *bpftest.Pair, int) {
	return ethernet(bpftest.Ethernet(unix.ETH_P_IP, packet))
}

func ethernet(frame []byte) func(*testing.T, *bpftest.Pair, int) {
	return func(t *testing.T, p *bpftest.Pair, n int) {
		for range n {
			p.Send(t, frame)
		}
	}
}

// damaged changes one byte.
func damaged(packet []byte, at int) []byte {
	packet[at] ^= 0x55
	return packet
}

// counted reads a counter of the far end's /proc/net/snmp or netstat.
func counter(file, group, name string) func(*testing.T, *bpftest.Pair) int {
	return func(t *testing.T, p *bpftest.Pair) int { return p.Far.Counter(t, file, group, name) }
}

func snmp(group, name string) func(*testing.T, *bpftest.Pair) int {
	return counter("snmp", group, name)
}

// firewalled gives the far end a chain with a rule that counts, by which truth is told.
func firewalled(hook, rule string) func(*testing.T, *bpftest.Pair) bool {
	return func(t *testing.T, p *bpftest.Pair) bool {
		p.Far.Firewall(t, "add table inet t\nadd chain inet t c { type filter hook "+hook+
			" priority 0; }\nadd rule inet t c "+rule)
		return true
	}
}

func firewallCount(t *testing.T, p *bpftest.Pair) int { return p.Far.FirewallCount(t) }

// forwarding makes the far end a router that knows the way to beyond, over the wire again.
func forwarding(t *testing.T, p *bpftest.Pair) bool {
	p.Far.Run(t, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.kt0.rp_filter=0",
		"net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.kt0.send_redirects=0")
	p.Far.Run(t, "ip", "route", "add", "10.78.0.0/24", "via", bpftest.Near.String())
	return true
}

func both(first, second func(*testing.T, *bpftest.Pair) bool) func(*testing.T, *bpftest.Pair) bool {
	return func(t *testing.T, p *bpftest.Pair) bool { return first(t, p) && second(t, p) }
}

func set(values ...string) func(*testing.T, *bpftest.Pair) bool {
	return func(t *testing.T, p *bpftest.Pair) bool {
		p.Far.Run(t, "sysctl", append([]string{"-qw"}, values...)...)
		return true
	}
}

// from and onward match packets by their addresses.
func from(source string) func(*packet_drop.Event) bool {
	return func(e *packet_drop.Event) bool { return e.Source.Addr() == netip.MustParseAddr(source) }
}

func onward(e *packet_drop.Event) bool { return e.Destination.Addr() == beyond }

func realCauses() []realCause {
	forward := toFar()
	forward.Destination = beyond
	expiring := forward
	expiring.TTL = 1
	local, martian, multicast, elsewhere := toFar(), toFar(), toFar(), toFar()
	local.Source = bpftest.Far
	martian.Source = netip.MustParseAddr("127.0.0.9")
	multicast.Source = netip.MustParseAddr("224.0.0.9")
	elsewhere.Source = netip.MustParseAddr("192.0.2.9")
	unheard := toFar()
	unheard.Protocol = 253
	unheard.Payload = []byte("anybody?")
	short := toFar().UDP(4000, 9, []byte("cut off"))
	return append([]realCause{
		{name: "firewall, input", reasons: []string{"NETFILTER_DROP"}, class: loss, prepare: firewalled("input", "udp dport 9 counter drop"),
			cause: frame(toFar().UDP(4000, 9, nil)), truth: firewallCount, match: received, device: wire, direction: in},
		{name: "firewall, forward", reasons: []string{"NETFILTER_DROP"}, class: loss, prepare: both(forwarding, firewalled("forward", "udp dport 9 counter drop")),
			cause: frame(forward.UDP(4000, 9, nil)), truth: firewallCount, match: onward, device: wire, direction: in},
		{name: "no socket, UDP", reasons: []string{"NO_SOCKET"}, class: refused, cause: frame(toFar().UDP(4000, 9, nil)),
			truth: snmp("Udp", "NoPorts"), match: received, device: wire, direction: in},
		{name: "no socket, TCP", reasons: []string{"NO_SOCKET"}, class: refused, cause: frame(toFar().TCP(4000, 9, 1, 2, nil)),
			truth: snmp("Tcp", "OutRsts"), match: received, device: wire, direction: in},
		{name: "wrong TCP checksum", reasons: []string{"TCP_CSUM"}, class: loss, cause: frame(damaged(toFar().TCP(4000, 9, 1, 2, nil), 37)),
			truth: snmp("Tcp", "InCsumErrors"), match: received, device: wire, direction: in},
		{name: "wrong UDP checksum", reasons: []string{"UDP_CSUM"}, class: loss, cause: frame(damaged(toFar().UDP(4000, 9, []byte("data")), 29)),
			truth: snmp("Udp", "InCsumErrors"), match: received, device: wire, direction: in},
		{name: "TTL exceeded", reasons: []string{"IP_INHDR"}, class: loss, prepare: forwarding, cause: frame(expiring.UDP(4000, 9, nil)),
			truth: snmp("Ip", "InHdrErrors"), match: onward, device: wire, direction: in},
		{name: "no route", reasons: []string{"IP_INNOROUTES"}, class: loss, prepare: set("net.ipv4.ip_forward=1"), cause: frame(forward.UDP(4000, 9, nil)),
			truth: counter("netstat", "IpExt", "InNoRoutes"), match: onward, device: wire, direction: in},
		{name: "not for this host", reasons: []string{"IP_INADDRERRORS"}, class: loss, prepare: set("net.ipv4.ip_forward=0"), cause: frame(forward.UDP(4000, 9, nil)),
			truth: snmp("Ip", "InAddrErrors"), match: onward, device: wire, direction: in},
		{name: "reverse-path filter", reasons: []string{"IP_RPFILTER"}, class: loss, prepare: set("net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.kt0.rp_filter=1"),
			cause: frame(elsewhere.UDP(4000, 9, nil)), truth: counter("netstat", "TcpExt", "IPReversePathFilter"), match: from("192.0.2.9"), device: wire, direction: in},
		{name: "own source", reasons: []string{"IP_LOCAL_SOURCE"}, class: loss, prepare: firewalled("prerouting", "ip saddr 10.77.0.2 counter"),
			cause: frame(local.UDP(4000, 9, nil)), truth: firewallCount, match: from("10.77.0.2"), device: wire, direction: in},
		{name: "martian source", reasons: []string{"IP_LOCALNET"}, class: loss, prepare: firewalled("prerouting", "ip saddr 127.0.0.9 counter"),
			cause: frame(martian.UDP(4000, 9, nil)), truth: firewallCount, match: from("127.0.0.9"), device: wire, direction: in},
		{name: "multicast source", reasons: []string{"IP_INVALID_SOURCE"}, class: loss, prepare: firewalled("prerouting", "ip saddr 224.0.0.9 counter"),
			cause: frame(multicast.UDP(4000, 9, nil)), truth: firewallCount, match: from("224.0.0.9"), device: wire, direction: in},
		{name: "wrong IP checksum", reasons: []string{"IP_CSUM"}, class: loss, cause: frame(damaged(toFar().UDP(4000, 9, nil), 10)),
			truth: counter("netstat", "IpExt", "InCsumErrors"), match: received, device: wire, direction: in},
		{name: "invalid header", reasons: []string{"IP_INHDR"}, class: loss, cause: frame(append([]byte{0x44}, toFar().UDP(4000, 9, nil)[1:]...)),
			truth: snmp("Ip", "InHdrErrors"), match: headerless(unix.ETH_P_IP), device: wire, direction: in},
		{name: "shorter than it says", reasons: []string{"PKT_TOO_SMALL"}, class: loss, cause: frame(short[:len(short)-3]),
			truth: counter("netstat", "IpExt", "InTruncatedPkts"), match: received, device: wire, direction: in},
		{name: "IP protocol that nobody speaks", reasons: []string{"IP_NOPROTO"}, class: refused, cause: frame(unheard.Packet()),
			truth: snmp("Ip", "InUnknownProtos"), match: received, device: wire, direction: in},
		{name: "Ethernet protocol that nobody handles", reasons: []string{"UNHANDLED_PROTO"}, class: refused,
			cause: ethernet(bpftest.Ethernet(0x88b5, make([]byte, 46))), match: headerless(0x88b5), device: wire, direction: in},
		{name: "hardware address of another host", reasons: []string{"OTHERHOST"}, class: cleanup, unspecified: loss,
			cause: ethernet(append([]byte{2, 0, 0, 0, 0, 9}, bpftest.Ethernet(unix.ETH_P_IP, toFar().UDP(4000, 9, nil))[6:]...)),
			match: received, device: wire, direction: in},
	}, causesOfSockets()...)
}

// headerless matches packets whose network header cannot be read.
func headerless(ethertype uint16) func(*packet_drop.Event) bool {
	return func(e *packet_drop.Event) bool {
		return e.EtherType == ethertype && !e.Source.IsValid() && e.Interface == wire
	}
}
