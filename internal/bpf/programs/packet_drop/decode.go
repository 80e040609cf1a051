package packet_drop

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/kernel"
)

// maxCauses bounds the causes that a decoder remembers: more places than a kernel drops packets at.
const maxCauses = 4096

// cause is why and where packets are dropped. Few of them repeat for ever, so they are looked up once.
type cause struct {
	reason   string
	class    Class
	location string // symbol+0xoffset, "" where symbols may not be read
	exported bool
}

type causeKey struct {
	reason   uint32
	location uint64
	ending   bool // the packet was for a connection at its end
}

// ending tells whether a TCP state (include/net/tcp_states.h) is one in which at least one end has said that it sends
// no more: FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING.
func ending(state uint8) bool {
	switch state {
	case 4, 5, 6, 8, 9, 11:
		return true
	}
	return false
}

// decoder turns samples into events. It belongs to one goroutine.
type decoder struct {
	config  Config
	reasons kernel.Enum
	symbols *kernel.Symbols
	causes  map[causeKey]*cause

	lastKey causeKey // storms have one cause
	last    *cause
}

func (d *decoder) decode(base bpf.BaseEvent, sample []byte) (bpf.BPFEvent, error) {
	wire, err := bpf.Cast[packetDropPacketDropEvent](sample)
	if err != nil {
		return nil, fmt.Errorf("packet drop: %w", err)
	}
	event := &Event{
		BaseEvent:  base,
		cause:      d.causeOf(causeKey{wire.Reason, wire.Location, ending(wire.ReceiverState)}),
		ReasonCode: wire.Reason,
		Length:     wire.Length,
		EtherType:  wire.Ethertype,
	}
	if wire.HasAddresses != 0 {
		event.Protocol = wire.Protocol
		event.HasPorts = wire.HasPorts != 0
		event.Source = endpoint(wire.Ethertype, wire.Source.Address, wire.Source.Port)
		event.Destination = endpoint(wire.Ethertype, wire.Destination.Address, wire.Destination.Port)
	}
	return event, nil
}

// causeOf names a reason and a place, the first time from the kernel's tables.
func (d *decoder) causeOf(key causeKey) *cause {
	if d.last == nil || key != d.lastKey {
		d.lastKey, d.last = key, d.lookUp(key)
	}
	return d.last
}

func (d *decoder) lookUp(key causeKey) *cause {
	if known, ok := d.causes[key]; ok {
		return known
	}
	if d.causes == nil || len(d.causes) >= maxCauses {
		d.causes = make(map[causeKey]*cause)
	}
	c := &cause{reason: d.reasonName(key.reason)}
	if d.symbols != nil {
		c.location, _ = d.symbols.Locate(key.location)
	}
	c.class = classify(c.reason, c.location, key.ending)
	c.exported = slices.Contains(d.config.Records, string(c.class))
	d.causes[key] = c
	return c
}

// reasonName is the kernel's own name without its prefix; a value without a name is shown as the number it is, and a
// kernel without reasons gives none.
func (d *decoder) reasonName(value uint32) string {
	if name, ok := d.reasons.Name(uint64(value)); ok {
		return name
	}
	if value == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(value), 10)
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
