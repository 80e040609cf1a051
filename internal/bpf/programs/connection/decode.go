package connection

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
)

// decoder turns samples into events.
type decoder struct {
	exported [OutcomeClosed + 1]bool // by outcome: sent as a log record
}

func (d *decoder) decode(base bpf.BaseEvent, sample []byte) (bpf.BPFEvent, error) {
	wire, err := bpf.Cast[connectionConnectionEvent](sample)
	if err != nil {
		return nil, fmt.Errorf("connection: %w", err)
	}
	outcome := Outcome(wire.Outcome)
	if outcome < OutcomeOpened || outcome > OutcomeClosed {
		return nil, fmt.Errorf("connection: outcome %d is unknown", wire.Outcome)
	}
	return &Event{
		BaseEvent: base,
		Outcome:   outcome,
		Role:      Role(wire.Role),
		Errno:     syscall.Errno(wire.Error),
		Duration:  time.Duration(wire.DurationNs),
		Local:     endpoint(wire.Local.Address, wire.Local.Port),
		Peer:      endpoint(wire.Peer.Address, wire.Peer.Port),
		exported:  d.exported[outcome],
	}, nil
}

// endpoint converts an address in network order; an IPv4-mapped one becomes IPv4.
func endpoint(words [4]uint32, port uint16) netip.AddrPort {
	var raw [16]byte
	for i, word := range words {
		binary.NativeEndian.PutUint32(raw[i*4:], word)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(raw).Unmap(), port)
}
