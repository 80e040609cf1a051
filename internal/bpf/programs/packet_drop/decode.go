package packet_drop

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/kerntap/kerntap/internal/bpf"
)

// The flags of samples and rows, DROP_… in bpf/packet_drop.bpf.c.
const (
	flagEnding      = 1 << 0 // the packet was for a connection at its end
	flagHasProtocol = 1 << 1 // the number of the IP protocol is known
)

// decoder turns samples into events. It belongs to one goroutine.
type decoder struct{ causes }

func (d *decoder) decode(base bpf.BaseEvent, sample []byte) (bpf.BPFEvent, error) {
	wire, err := bpf.Cast[packetDropPacketDropEvent](sample)
	if err != nil {
		return nil, fmt.Errorf("packet drop: %w", err)
	}
	event := &Event{
		BaseEvent:  base,
		cause:      d.causeOf(causeKey{wire.Reason, wire.Location, wire.Flags&flagEnding != 0}),
		ReasonCode: wire.Reason,
		Length:     wire.Length,
		EtherType:  wire.Ethertype,
	}
	if ends := &wire.Ends; ends.HasAddresses != 0 {
		event.Protocol = ends.Protocol
		event.HasPorts = ends.HasPorts != 0
		event.Source = endpoint(wire.Ethertype, ends.Source.Address, ends.Source.Port)
		event.Destination = endpoint(wire.Ethertype, ends.Destination.Address, ends.Destination.Port)
	}
	return event, nil
}

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
