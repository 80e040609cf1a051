package connection

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
)

// decoder turns samples into events.
type decoder struct {
	exported atomic.Uint32 // the outcomes that are sent as log records, a bit each
}

// follow makes the decoder go by a configuration from now on.
func (d *decoder) follow(config Config) {
	var exported uint32
	for _, outcome := range []Outcome{OutcomeOpened, OutcomeFailed, OutcomeClosed, OutcomeListenDropped} {
		if slices.Contains(config.Records, outcome.String()) {
			exported |= record(outcome, false)
		}
	}
	for name, outcome := range map[string]Outcome{udpOpened: OutcomeOpened, udpFailed: OutcomeFailed} {
		if slices.Contains(config.Records, name) {
			exported |= record(outcome, true)
		}
	}
	d.exported.Store(exported)
}

// record is the bit of a kind of records.
func record(outcome Outcome, udp bool) uint32 {
	if udp {
		outcome += 8
	}
	return 1 << outcome
}

func (d *decoder) decode(base bpf.BaseEvent, sample []byte) (bpf.BPFEvent, error) {
	wire, err := bpf.Cast[connectionConnectionEvent](sample)
	if err != nil {
		return nil, fmt.Errorf("connection: %w", err)
	}
	outcome := Outcome(wire.Outcome)
	if outcome < OutcomeOpened || outcome > OutcomeListenDropped {
		return nil, fmt.Errorf("connection: outcome %d is unknown", wire.Outcome)
	}
	udp := wire.Protocol == syscall.IPPROTO_UDP
	var closer string
	if wire.CloserPid != 0 {
		closer = bpf.Text(wire.Closer[:])
	}
	return &Event{
		BaseEvent:     base,
		Outcome:       outcome,
		Role:          Role(wire.Role),
		Attribution:   Attribution(wire.Attribution),
		UDP:           udp,
		Traffic:       trafficOf(wire),
		Ending:        Ending(wire.Ending),
		Errno:         errnoOf(wire.Error),
		Duration:      time.Duration(wire.DurationNs),
		CloserPID:     wire.CloserPid,
		CloserCommand: closer,
		Local:         endpoint(wire.Local.Address, wire.Local.Port),
		Peer:          endpoint(wire.Peer.Address, wire.Peer.Port),
		Dropped:       wire.Dropped,
		Queue:         Queue{Waiting: wire.Waiting, Limit: wire.Limit},
		exported:      d.exported.Load()&record(outcome, udp) != 0,
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
