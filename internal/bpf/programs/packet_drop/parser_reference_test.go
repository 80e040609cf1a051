package packet_drop_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

const all = packet_drop.KnownAddresses | packet_drop.KnownProtocol | packet_drop.KnownPorts | packet_drop.KnownTCPFlags |
	packet_drop.KnownICMP

// parse says what a frame says, by the standards and not by the program's own words: whatever is cut off is not known,
// and what the IP header does not count is not part of the packet.
func parse(frame []byte) packet_drop.Packet {
	ethertype := binary.BigEndian.Uint16(frame[12:])
	rest := frame[14:]
	outer := ethertype
	for tagged(ethertype) {
		if len(rest) < 4 {
			return packet_drop.Packet{EtherType: outer}
		}
		ethertype, rest = binary.BigEndian.Uint16(rest[2:]), rest[4:]
	}
	p := packet_drop.Packet{EtherType: ethertype}
	switch ethertype {
	case unix.ETH_P_IP:
		parse4(&p, rest)
	case unix.ETH_P_IPV6:
		parse6(&p, rest)
	}
	return p
}

func tagged(ethertype uint16) bool {
	return ethertype == unix.ETH_P_8021Q || ethertype == unix.ETH_P_8021AD
}

func parse4(p *packet_drop.Packet, b []byte) {
	if len(b) < 20 || b[0]>>4 != 4 || b[0]&15 < 5 {
		return
	}
	if total := int(binary.BigEndian.Uint16(b[2:])); total != 0 && total < len(b) {
		b = b[:total]
	}
	source, _ := netip.AddrFromSlice(frameAt(b, 12, 4))
	destination, _ := netip.AddrFromSlice(frameAt(b, 16, 4))
	p.Source, p.Destination = netip.AddrPortFrom(source, 0), netip.AddrPortFrom(destination, 0)
	p.Known, p.Protocol = packet_drop.KnownAddresses|packet_drop.KnownProtocol, b[:cap(b)][9]
	header := int(b[:cap(b)][0]&15) * 4
	if binary.BigEndian.Uint16(b[:cap(b)][6:])&0x1fff == 0 && header <= len(b) {
		parseTransport(p, b[header:])
	}
}

// frameAt reads of a header what its own length would cut off.
func frameAt(b []byte, at, n int) []byte { return b[:cap(b)][at : at+n] }

func parse6(p *packet_drop.Packet, b []byte) {
	if len(b) < 40 || b[0]>>4 != 6 {
		return
	}
	source, _ := netip.AddrFromSlice(b[8:24])
	destination, _ := netip.AddrFromSlice(b[24:40])
	p.Source, p.Destination = netip.AddrPortFrom(source, 0), netip.AddrPortFrom(destination, 0)
	p.Known = packet_drop.KnownAddresses
	next := b[6]
	if length := int(binary.BigEndian.Uint16(b[4:])); length != 0 && 40+length < len(b) {
		b = b[:40+length]
	}
	b = b[40:]
	first := true
	for n := 0; extension(next); n++ {
		if len(b) < 8 || n == 8 || !first {
			return
		}
		length := (int(b[1]) + 1) * 8
		switch next {
		case 44:
			length, first = 8, binary.BigEndian.Uint16(b[2:])&0xfff8 == 0
		case 51:
			length = (int(b[1]) + 2) * 4
		}
		next, b = b[0], b[min(length, len(b)):]
	}
	p.Known |= packet_drop.KnownProtocol
	p.Protocol = next
	if first {
		parseTransport(p, b)
	}
}

func extension(header byte) bool {
	switch header {
	case 0, 43, 44, 51, 60, 135, 139, 140:
		return true
	}
	return false
}

func parseTransport(p *packet_drop.Packet, b []byte) {
	if len(b) < 4 {
		return
	}
	switch p.Protocol {
	case 6, 17, 33, 132, 136:
		p.Known |= packet_drop.KnownPorts
		p.Source = netip.AddrPortFrom(p.Source.Addr(), binary.BigEndian.Uint16(b))
		p.Destination = netip.AddrPortFrom(p.Destination.Addr(), binary.BigEndian.Uint16(b[2:]))
	case 1, 58:
		p.Known |= packet_drop.KnownICMP
		p.ICMPType, p.ICMPCode = b[0], b[1]
	}
	if p.Protocol == 6 && len(b) >= 20 {
		p.Known |= packet_drop.KnownTCPFlags
		p.TCPFlags = b[13]
	}
}

// frames makes packets of every kind, whole, cut off and damaged.
type frames struct{ *rand.Rand }

func (r frames) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func (r frames) next() []byte {
	ethertype, payload := uint16(unix.ETH_P_IP), r.ipv4()
	switch r.IntN(10) {
	case 0:
		ethertype, payload = 0x0806, r.bytes(28)
	case 1, 2, 3, 4:
		ethertype, payload = unix.ETH_P_IPV6, r.ipv6()
	}
	if r.IntN(8) == 0 {
		payload = append(payload, r.bytes(r.IntN(30))...) // padding
	}
	for tags := r.IntN(6); tags > 3; tags-- {
		payload = append(binary.BigEndian.AppendUint16([]byte{0, 7}, ethertype), payload...)
		ethertype = unix.ETH_P_8021Q
	}
	frame := bpftest.Ethernet(ethertype, payload)
	if r.IntN(3) == 0 {
		frame = frame[:14+r.IntN(len(frame)-13)]
	}
	if r.IntN(3) == 0 && len(frame) > 18 && !tagged(ethertype) {
		for range 1 + r.IntN(4) {
			frame[14+r.IntN(min(len(frame)-14, 60))] = byte(r.Uint32())
		}
	}
	return frame
}

func (r frames) transport() (byte, []byte) {
	protocols := []byte{6, 17, 1, 58, 132, 136, 33, 47, 4, 50, 89, byte(r.Uint32())}
	return protocols[r.IntN(len(protocols))], r.bytes(r.IntN(40))
}

func (r frames) ipv4() []byte {
	protocol, payload := r.transport()
	source, _ := netip.AddrFromSlice(r.bytes(4))
	destination, _ := netip.AddrFromSlice(r.bytes(4))
	p := bpftest.IPv4{Source: source, Destination: destination, TTL: 9, Protocol: protocol, Payload: payload}
	if r.IntN(6) == 0 {
		p.Fragment = uint16(r.Uint32())
	}
	packet := p.Packet()
	if r.IntN(4) == 0 { // options
		options := r.bytes(4 * (1 + r.IntN(10)))
		packet = append(append(append([]byte{}, packet[:20]...), options...), packet[20:]...)
		packet[0] = 0x45 + byte(len(options)/4)
		binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
	}
	return packet
}

func (r frames) ipv6() []byte {
	protocol, payload := r.transport()
	kinds := []byte{0, 43, 44, 51, 60, 135, 139, 140}
	for range r.IntN(11) {
		kind := kinds[r.IntN(len(kinds))]
		units := r.IntN(3)
		header := r.bytes(8 * (units + 1))
		header[0], header[1] = protocol, byte(units)
		switch kind {
		case 44:
			header = header[:8]
			if r.IntN(4) > 0 {
				header[2], header[3] = 0, header[3]&1 // the first of its fragments
			}
		case 51:
			header[1] = byte(len(header)/4 - 2)
		}
		protocol, payload = kind, append(header, payload...)
	}
	b := []byte{0x60, 0, 0, 0, byte(len(payload) >> 8), byte(len(payload)), protocol, 9}
	return append(append(b, r.bytes(32)...), payload...)
}
