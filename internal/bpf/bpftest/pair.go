package bpftest

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Wire is what both ends of a pair are called, and a mirror.
const Wire = "kt0"

// Pair is two network namespaces that a wire joins. Each knows the hardware address of the other, so that nobody has to
// ask for it.
type Pair struct {
	Near, Far *Namespace

	fd, device int
}

// The addresses of the ends of a pair, and of what a mirror shows.
var (
	NearMAC = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	FarMAC  = net.HardwareAddr{2, 0, 0, 0, 0, 2}
	Near    = netip.MustParseAddr("10.77.0.1")
	Far     = netip.MustParseAddr("10.77.0.2")
)

// NewPair joins two new namespaces until the test ends.
func NewPair(t testing.TB) *Pair {
	t.Helper()
	p := &Pair{Near: NewNamespace(t), Far: NewNamespace(t)}
	for _, ns := range []*Namespace{p.Near, p.Far} {
		// Nothing is said on the wire but what a test says.
		ns.Run(t, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
	}
	far := netns.None()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	p.Far.Do(func() { far, err = netns.Get() })
	check(err)
	defer far.Close()
	p.Near.Do(func() {
		attributes := netlink.NewLinkAttrs()
		attributes.Name, attributes.HardwareAddr = Wire, NearMAC
		err = netlink.LinkAdd(&netlink.Veth{LinkAttrs: attributes, PeerName: Wire, PeerHardwareAddr: FarMAC,
			PeerNamespace: netlink.NsFd(int(far))})
	})
	check(err)
	p.Near.Do(func() { p.device, err = bringUp(Near, Far, FarMAC) })
	check(err)
	p.Far.Do(func() { _, err = bringUp(Far, Near, NearMAC) })
	check(err)
	for _, ns := range []*Namespace{p.Near, p.Far} {
		ns.Do(func() { err = awaitWire() })
		check(err)
	}
	p.Near.Do(func() { p.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) })
	check(err)
	t.Cleanup(func() { unix.Close(p.fd) })
	return p
}

// bringUp gives the wire an address, and a neighbour at its other end.
func bringUp(own, other netip.Addr, mac net.HardwareAddr) (int, error) {
	link, err := netlink.LinkByName(Wire)
	if err != nil {
		return 0, err
	}
	index := link.Attrs().Index
	address := &netlink.Addr{IPNet: &net.IPNet{IP: own.AsSlice(), Mask: net.CIDRMask(24, 32)}}
	if err := netlink.AddrAdd(link, address); err != nil {
		return 0, err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return 0, err
	}
	return index, netlink.NeighSet(&netlink.Neigh{LinkIndex: index, IP: other.AsSlice(), HardwareAddr: mac,
		State: netlink.NUD_PERMANENT})
}

// awaitWire waits until the kernel has noticed that the wire has two ends: before that it drops what is sent.
func awaitWire() error {
	for deadline := time.Now().Add(patience); ; {
		link, err := netlink.LinkByName(Wire)
		if err != nil || link.Attrs().OperState == netlink.OperUp {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the wire is %s", link.Attrs().OperState)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// Send puts a frame on the wire at the near end, as it is.
func (p *Pair) Send(t testing.TB, frame []byte) {
	t.Helper()
	if err := unix.Sendto(p.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: p.device}); err != nil {
		t.Fatalf("send a frame: %v", err)
	}
}

// Ethernet returns a frame from the near end to the far one.
func Ethernet(ethertype uint16, payload []byte) []byte {
	frame := append(append([]byte{}, FarMAC...), NearMAC...)
	return append(binary.BigEndian.AppendUint16(frame, ethertype), payload...)
}

// Sum returns the checksum of the Internet protocols.
func Sum(data ...[]byte) uint16 {
	var sum uint32
	for _, part := range data {
		for i, b := range part {
			sum += uint32(b) << (8 * (1 - i%2))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// IPv4 is a packet in the making.
type IPv4 struct {
	Source, Destination netip.Addr
	TTL, Protocol       byte
	Fragment            uint16 // flags and offset
	Payload             []byte
}

// Packet returns the packet with a header of 20 bytes and its checksum.
func (p IPv4) Packet() []byte {
	b := make([]byte, 20, 20+len(p.Payload))
	b[0], b[8], b[9] = 0x45, p.TTL, p.Protocol
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(p.Payload)))
	binary.BigEndian.PutUint16(b[6:], p.Fragment)
	copy(b[12:], p.Source.AsSlice())
	copy(b[16:], p.Destination.AsSlice())
	binary.BigEndian.PutUint16(b[10:], Sum(b))
	return append(b, p.Payload...)
}

// pseudo is what the checksums of UDP and TCP begin with.
func (p IPv4) pseudo(length int) []byte {
	b := append(append([]byte{}, p.Source.AsSlice()...), p.Destination.AsSlice()...)
	b = append(b, 0, p.Protocol)
	return binary.BigEndian.AppendUint16(b, uint16(length))
}

// UDP returns a datagram with its checksum.
func (p IPv4) UDP(source, destination uint16, payload []byte) []byte {
	p.Protocol = unix.IPPROTO_UDP
	b := binary.BigEndian.AppendUint16(nil, source)
	b = binary.BigEndian.AppendUint16(b, destination)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(append(b, 0, 0), payload...)
	binary.BigEndian.PutUint16(b[6:], Sum(p.pseudo(len(b)), b))
	p.Payload = b
	return p.Packet()
}

// TCP returns a segment without options, with its checksum.
func (p IPv4) TCP(source, destination uint16, sequence uint32, flags byte, payload []byte) []byte {
	p.Protocol = unix.IPPROTO_TCP
	b := make([]byte, 20, 20+len(payload))
	binary.BigEndian.PutUint16(b, source)
	binary.BigEndian.PutUint16(b[2:], destination)
	binary.BigEndian.PutUint32(b[4:], sequence)
	b[12], b[13], b[14] = 5<<4, flags, 0xff
	b = append(b, payload...)
	binary.BigEndian.PutUint16(b[16:], Sum(p.pseudo(len(b)), b))
	p.Payload = b
	return p.Packet()
}
