package packet_drop

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// Known says which parts of a packet could be read, PACKET_… in bpf/include/packet.h.
type Known uint8

// What can be known of a packet.
const (
	KnownAddresses Known = 1 << iota
	KnownProtocol
	KnownPorts
	KnownTCPFlags
	KnownICMP
)

// Packet is what a dropped packet's own headers and the kernel's buffer say of it. Of a packet in a tunnel these are the
// outer headers, until the kernel has taken them off.
type Packet struct {
	// Length is the length of the kernel's buffer in bytes.
	Length uint32
	// EtherType is the protocol of the network layer, behind VLAN tags.
	EtherType uint16
	// Known tells what of the following could be read.
	Known Known
	// Protocol is the IP protocol number of the transport, behind IPv6 extension headers.
	Protocol uint8
	// TCPFlags are the flags of the TCP header, FIN the lowest.
	TCPFlags uint8
	// ICMPType and ICMPCode are those of ICMP or of ICMPv6.
	ICMPType, ICMPCode uint8
	// Source and Destination are invalid where addresses are not known; ports are 0 where ports are not.
	Source, Destination netip.AddrPort
	// Interface is the device that the packet was at or came in on, "" where that is not known.
	Interface string
	// Direction is a value of network.io.direction, "" where it is not known.
	Direction string
}

// packetOf decodes a packet. The name of the device that it was at and the cause help to tell which way it went.
func packetOf(wire *packetDropPacketDropEvent, device string, cause *cause) Packet {
	headers := &wire.Packet
	p := Packet{
		Length:    wire.Length,
		EtherType: headers.Ethertype,
		Known:     Known(headers.Known),
		Protocol:  headers.Protocol,
		TCPFlags:  headers.TcpFlags,
		ICMPType:  headers.IcmpType,
		ICMPCode:  headers.IcmpCode,
	}
	if p.has(KnownAddresses) {
		p.Source = endpoint(p.EtherType, headers.Source.Address, headers.Source.Port)
		p.Destination = endpoint(p.EtherType, headers.Destination.Address, headers.Destination.Port)
	}
	p.Interface, p.Direction = way(wire, device, cause)
	return p
}

func (p *Packet) has(known Known) bool { return p.Known&known != 0 }

// endpoint converts an address in network order. Only an IPv4 packet's is IPv4: an IPv6 packet may carry an
// IPv4-mapped address on the wire.
func endpoint(ethertype uint16, words [4]uint32, port uint16) netip.AddrPort {
	var raw [16]byte
	for i, word := range words {
		binary.NativeEndian.PutUint32(raw[i*4:], word)
	}
	address := netip.AddrFrom16(raw)
	if ethertype == etherTypeIPv4 {
		address = address.Unmap()
	}
	return netip.AddrPortFrom(address, port)
}

// leaving are the reasons of packets on their way out, entering those of packets that have not come in yet.
var (
	leaving = map[string]bool{
		"BPF_CGROUP_EGRESS": true, "TC_EGRESS": true, "QDISC_DROP": true, "QDISC_OVERLIMIT": true, "QDISC_CONGESTED": true,
		"QDISC_BURST_DROP": true, "CAKE_FLOOD": true, "FQ_BAND_LIMIT": true, "FQ_HORIZON_LIMIT": true, "FQ_FLOW_LIMIT": true,
		"DUALPI2_STEP_DROP": true, "NEIGH_CREATEFAIL": true, "NEIGH_HH_FILLFAIL": true,
	}
	entering = map[string]bool{"CPU_BACKLOG": true, "XDP": true, "TC_INGRESS": true}
)

// backlog is where packets are dropped that have not come in yet, on kernels that give no reason for it.
const backlog = "enqueue_to_backlog"

// way returns the device and the direction of a packet. The device that it came in on is known by its number, the one
// that it is at by its name; they differ on its way out again, where other devices pass it on, and where a socket's
// queue has used the place of the name.
func way(wire *packetDropPacketDropEvent, device string, cause *cause) (string, string) {
	switch {
	case leaving[cause.reason]:
		return device, telemetry.Transmit
	case entering[cause.reason], unspecified(cause.reason) && functionOf(cause.location) == backlog:
		return device, telemetry.Receive
	case wire.ReceivedOn == 0 && wire.Owned:
		return device, telemetry.Transmit // a socket sent it, and nothing has received it yet
	case wire.ReceivedOn == 0:
		return device, ""
	case wire.DeviceIndex == wire.ReceivedOn:
		return device, telemetry.Receive
	case wire.DeviceIndex == 0:
		return "", telemetry.Receive // it waited for its reader
	}
	return "", ""
}

// describe names the packet as far as its headers could be read.
func (p *Packet) describe() string {
	name := p.transport()
	if name == "" {
		name = networkType(p.EtherType)
	}
	switch {
	case !p.has(KnownAddresses):
		return fmt.Sprintf("a packet of EtherType 0x%04x", p.EtherType)
	case p.has(KnownPorts):
		return fmt.Sprintf("%s %s → %s", name, p.Source, p.Destination)
	default:
		return fmt.Sprintf("%s %s → %s", name, p.Source.Addr(), p.Destination.Addr())
	}
}

// details says for people what kind of TCP segment or ICMP message it is, "" for others.
func (p *Packet) details() string {
	switch {
	case p.has(KnownTCPFlags):
		return tcpFlags(p.TCPFlags)
	case p.has(KnownICMP):
		return fmt.Sprintf("type %d code %d", p.ICMPType, p.ICMPCode)
	}
	return ""
}

// transport is the value of network.transport, "" where it is not known.
func (p *Packet) transport() string {
	if !p.has(KnownProtocol) {
		return ""
	}
	return transport(p.Protocol)
}

// tcpFlags names the flags that are set, "none" where none is.
func tcpFlags(flags uint8) string {
	var set []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"} {
		if flags&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	if set == nil {
		return "none"
	}
	return strings.Join(set, "|")
}

// attributes appends what is known of the packet.
func (p *Packet) attributes(dst []telemetry.Attribute) []telemetry.Attribute {
	dst = append(dst, telemetry.Int(telemetry.PacketSize, int64(p.Length)))
	if network := networkType(p.EtherType); network != "" {
		dst = append(dst, telemetry.String(telemetry.NetworkType, network))
	} else {
		dst = append(dst, telemetry.Int(telemetry.EtherType, int64(p.EtherType)))
	}
	if transport := p.transport(); transport != "" {
		dst = append(dst, telemetry.String(telemetry.NetworkTransport, transport))
	}
	if p.has(KnownAddresses) {
		dst = append(dst,
			telemetry.String(telemetry.SourceAddress, p.Source.Addr().String()),
			telemetry.String(telemetry.DestinationAddress, p.Destination.Addr().String()))
	}
	if p.has(KnownPorts) {
		dst = append(dst,
			telemetry.Int(telemetry.SourcePort, int64(p.Source.Port())),
			telemetry.Int(telemetry.DestinationPort, int64(p.Destination.Port())))
	}
	if p.has(KnownTCPFlags) {
		dst = append(dst, telemetry.String(telemetry.TCPFlags, tcpFlags(p.TCPFlags)))
	}
	if p.has(KnownICMP) {
		dst = append(dst,
			telemetry.Int(telemetry.ICMPType, int64(p.ICMPType)),
			telemetry.Int(telemetry.ICMPCode, int64(p.ICMPCode)))
	}
	if p.Interface != "" {
		dst = append(dst, telemetry.String(telemetry.InterfaceName, p.Interface))
	}
	if p.Direction != "" {
		dst = append(dst, telemetry.String(telemetry.Direction, p.Direction))
	}
	return dst
}
