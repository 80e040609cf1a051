package packet_drop_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

// nobody is an address of the wire's network that nobody has.
var nobody = netip.MustParseAddr("10.77.0.77")

// sent sends datagrams from a socket of a namespace.
func sent(from func(*bpftest.Pair) *bpftest.Namespace, to netip.AddrPort) func(*testing.T, *bpftest.Pair, int) {
	return func(t *testing.T, p *bpftest.Pair, n int) {
		from(p).Do(func() {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer unix.Close(fd)
			for range n {
				// what the queue or the firewall says of it is of no interest here
				_ = unix.Sendto(fd, []byte("data"), 0, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
			}
		})
	}
}

func near(p *bpftest.Pair) *bpftest.Namespace { return p.Near }
func far(p *bpftest.Pair) *bpftest.Namespace  { return p.Far }

func destined(to netip.AddrPort) func(*packet_drop.Event) bool {
	return func(e *packet_drop.Event) bool { return e.Destination == to }
}

// dropping attaches a program that drops everything to the far end of the wire.
func dropping(kind ebpf.ProgramType, verdict int32, attach func(*ebpf.Program, int) (link.Link, error)) func(*testing.T, *bpftest.Pair) bool {
	return func(t *testing.T, p *bpftest.Pair) bool {
		program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "drop_all", Type: kind, License: "GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, verdict), asm.Return()}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { program.Close() })
		var attached link.Link
		p.Far.Do(func() {
			var device *net.Interface
			if device, err = net.InterfaceByName(wire); err == nil {
				attached, err = attach(program, device.Index)
			}
		})
		if err != nil {
			t.Log(err)
			return false
		}
		t.Cleanup(func() { attached.Close() })
		return true
	}
}

// bound returns a UDP socket of a namespace until the test ends.
func bound(t *testing.T, ns *bpftest.Namespace, port int) int {
	t.Helper()
	var fd int
	var err error
	ns.Do(func() {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err == nil {
			err = unix.Bind(fd, &unix.SockaddrInet4{Port: port})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// full leaves a socket of the far end with a buffer that takes no more.
func full(t *testing.T, p *bpftest.Pair) bool {
	if err := unix.SetsockoptInt(bound(t, p.Far, 4010), unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
		t.Fatal(err)
	}
	filling := frame(toFar().UDP(4001, 4010, make([]byte, 1000)))
	for p.Far.Counter(t, "snmp", "Udp", "RcvbufErrors") == 0 {
		filling(t, p, often)
	}
	return true
}

// strangled leaves a queue that is full.
func strangled(t *testing.T, p *bpftest.Pair, to netip.AddrPort) bool {
	if !p.Near.Strangle(t) {
		return false
	}
	sent(near, to)(t, p, 1)
	return true
}

func queueDrops(t *testing.T, p *bpftest.Pair) int { return p.Near.QueueDrops(t) }

// causesOfSockets are about what sockets send and get, and about devices.
func causesOfSockets() []realCause {
	large := toFar()
	large.Destination, large.Fragment = beyond, 0x4000 // must not be divided
	discard := netip.AddrPortFrom(bpftest.Far, 9)
	lost := []string{"QDISC_DROP", "QDISC_DROP_GENERIC"}
	return []realCause{
		{name: "firewall, output", reasons: []string{"NETFILTER_DROP"}, class: loss, prepare: firewalled("output", "udp dport 9 counter drop"),
			cause: sent(far, netip.AddrPortFrom(bpftest.Near, 9)), truth: firewallCount, match: destined(netip.AddrPortFrom(bpftest.Near, 9)),
			direction: out},
		{name: "receive buffer full", reasons: []string{"SOCKET_RCVBUFF"}, class: loss, prepare: full,
			cause: frame(toFar().UDP(4000, 4010, make([]byte, 1000))), truth: snmp("Udp", "RcvbufErrors"),
			match: func(e *packet_drop.Event) bool { return e.Destination.Port() == 4010 && e.Source.Port() == 4000 }, device: wire, direction: in},
		{name: "nobody there", reasons: []string{"NEIGH_FAILED"}, class: loss, prepare: firewalled("output", "ip daddr 10.77.0.77 counter"),
			cause: sent(far, netip.AddrPortFrom(nobody, 9)), truth: firewallCount, match: destined(netip.AddrPortFrom(nobody, 9)), device: wire, direction: out},
		{name: "too large for the next link", reasons: []string{"PKT_TOO_BIG"}, class: loss, prepare: both(forwarding, func(t *testing.T, p *bpftest.Pair) bool {
			p.Far.Run(t, "ip", "route", "replace", "10.78.0.0/24", "via", bpftest.Near.String(), "mtu", "lock", "600")
			return true
		}), cause: frame(large.UDP(4000, 9, make([]byte, 1000))), truth: snmp("Ip", "FragFails"), match: onward, device: wire, direction: in},
		{name: "queue full", reasons: append([]string{"QDISC_OVERLIMIT", "QDISC_DROP_OVERLIMIT"}, lost...), class: loss,
			prepare: func(t *testing.T, p *bpftest.Pair) bool { return strangled(t, p, discard) },
			cause:   sent(near, discard), truth: queueDrops, match: destined(discard), device: wire, direction: out},
		{name: "lost by netem", reasons: lost, class: loss, prepare: func(t *testing.T, p *bpftest.Pair) bool { return p.Near.LoseAll(t) },
			cause: sent(near, discard), truth: queueDrops, match: destined(discard), device: wire, direction: out},
		{name: "backlog full", reasons: []string{"CPU_BACKLOG"}, class: loss, prepare: bursting, cause: overcrowd, truth: softnetDrops,
			match: destined(netip.AddrPortFrom(bpftest.Far, crowdedPort)), device: wire, direction: in},
		{name: "XDP", reasons: []string{"XDP", "NOT_SPECIFIED"}, class: loss, prepare: dropping(ebpf.XDP, 1, func(program *ebpf.Program, device int) (link.Link, error) {
			return link.AttachXDP(link.XDPOptions{Program: program, Interface: device, Flags: link.XDPGenericMode})
		}), cause: frame(toFar().UDP(4000, 9, nil)), match: destined(discard), device: wire, direction: in},
		{name: "traffic control, ingress", reasons: []string{"TC_INGRESS"}, class: loss, prepare: dropping(ebpf.SchedCLS, 2, func(program *ebpf.Program, device int) (link.Link, error) {
			return link.AttachTCX(link.TCXOptions{Program: program, Interface: device, Attach: ebpf.AttachTCXIngress})
		}), cause: frame(toFar().UDP(4000, 9, nil)), match: destined(discard), device: wire, direction: in},
	}
}
