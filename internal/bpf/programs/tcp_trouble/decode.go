package tcp_trouble

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"sync/atomic"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/kernel"
)

// decoder turns samples into events and rows into tallies, each in a goroutine of its own.
type decoder struct {
	reasons *atomic.Pointer[kernel.Enum]
}

func (d *decoder) decode(base bpf.BaseEvent, sample []byte) (bpf.BPFEvent, error) {
	wire, err := bpf.Cast[tcpTroubleTcpTroubleEvent](sample)
	if err != nil {
		return nil, fmt.Errorf("TCP trouble: %w", err)
	}
	event := &Event{BaseEvent: base, Kind: Kind(wire.Kind), Segments: wire.Segments}
	if event.Kind == ResetSent {
		event.Reason = d.reasonName(wire.Reason)
	}
	if wire.Known != 0 {
		event.Local = endpoint(wire.Local.Address, wire.Local.Port)
		event.Peer = endpoint(wire.Peer.Address, wire.Peer.Port)
	}
	return event, nil
}

func (d *decoder) row(counted bpf.RowTally, key []byte) (bpf.BPFEvent, error) {
	wire, err := bpf.Cast[tcpTroubleTcpTroubleRow](key)
	if err != nil {
		return nil, fmt.Errorf("TCP trouble row: %w", err)
	}
	tally := &Tally{RowTally: counted, Kind: Kind(wire.Kind)}
	if tally.Kind == ResetSent {
		tally.Reason = d.reasonName(wire.Reason)
	}
	return tally, nil
}

// reasonName is the kernel's own name of why it sent a reset, without its prefix; a value without a name is shown as the
// number it is, and a kernel without reasons gives none.
func (d *decoder) reasonName(value uint32) string {
	if reasons := d.reasons.Load(); reasons != nil {
		if name, ok := reasons.Name(uint64(value)); ok {
			return name
		}
	}
	if value == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(value), 10)
}

// endpoint converts an address in network order; an IPv4-mapped one is IPv4.
func endpoint(words [4]uint32, port uint16) netip.AddrPort {
	var raw [16]byte
	for i, word := range words {
		binary.NativeEndian.PutUint32(raw[i*4:], word)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(raw).Unmap(), port)
}
