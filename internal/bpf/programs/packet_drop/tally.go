package packet_drop

import (
	"fmt"
	"unsafe"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// Tally is how many packets were dropped for one cause, as one row of the ledger tells them apart. Sum is their bytes.
type Tally struct {
	bpf.RowTally
	*cause
	// ReasonCode is the running kernel's number of the reason.
	ReasonCode uint32
	// EtherType is the protocol of the network layer, 0 where it is not known.
	EtherType uint16
	// Protocol is the IP protocol number, where HasProtocol says so.
	Protocol    uint8
	HasProtocol bool
	// Interface is the device that the packet came in on, "" where rows do not tell it apart or it is not known.
	Interface string
}

var (
	_ bpf.Tallied  = (*Tally)(nil)
	_ bpf.Spanning = (*Tally)(nil)
	_ bpf.Measured = (*Tally)(nil)
)

// GetEventType implements bpf.BPFEvent.
func (t *Tally) GetEventType() string { return Name }

// Reason returns the kernel's name of the reason, "" on kernels that give none.
func (t *Tally) Reason() string { return t.reason }

// Location returns where the kernel dropped them, as symbol+0xoffset; "" where symbols may not be read.
func (t *Tally) Location() string { return t.location }

// Class returns what the drops mean.
func (t *Tally) Class() Class { return t.meaning.Class }

// Tally implements bpf.Tallied: clean-up is no answer to "how many packets were dropped".
func (t *Tally) Tally() uint64 {
	if t.meaning.Class == ClassCleanup {
		return 0
	}
	return t.N
}

// listenOverflow is the reason of a drop because a listener's queue is full.
const listenOverflow = "TCP_LISTEN_OVERFLOW"

// Measurements implements bpf.Measured.
func (t *Tally) Measurements(dst []telemetry.Measurement) []telemetry.Measurement {
	var protocol telemetry.Label
	if t.HasProtocol {
		protocol = telemetry.Label{Key: telemetry.NetworkTransport, Value: transport(t.Protocol)}
	}
	labels := t.Labels(
		telemetry.Label{Key: telemetry.DropReason, Value: t.reason},
		telemetry.Label{Key: telemetry.DropClass, Value: string(t.meaning.Class)},
		telemetry.Label{Key: telemetry.NetworkType, Value: networkType(t.EtherType)},
		telemetry.Label{Key: telemetry.InterfaceName, Value: t.Interface},
		protocol,
	)
	if t.reason == listenOverflow {
		dst = append(dst, telemetry.Measurement{Metric: &telemetry.TCPListenOverflows, Labels: t.Labels(), Value: float64(t.N)})
	}
	return append(dst,
		telemetry.Measurement{Metric: &telemetry.PacketDrops, Labels: labels, Value: float64(t.N)},
		telemetry.Measurement{Metric: &telemetry.PacketDropIO, Labels: labels, Value: float64(t.Sum)})
}

// teller turns rows of the ledger into tallies. It belongs to one goroutine.
type teller struct{ causes }

func (t *teller) row(counted bpf.RowTally, key []byte) (bpf.BPFEvent, error) {
	wire, err := bpf.Cast[packetDropPacketDropRow](key)
	if err != nil {
		return nil, fmt.Errorf("packet drop row: %w", err)
	}
	return &Tally{
		RowTally:    counted,
		cause:       t.causeOf(causeKey{wire.Reason, wire.Location, packetMeaning(wire.Flags) & packetAll}),
		ReasonCode:  wire.Reason,
		EtherType:   wire.Ethertype,
		Protocol:    wire.Protocol,
		HasProtocol: wire.Flags&flagHasProtocol != 0,
		Interface:   bpf.Text(wire.Interface[:]),
	}, nil
}

// counts tells whether the drops of a process row add to summaries: its kind is the reason and what the packet says of
// it, its place the location.
func (t *teller) counts(kind uint32, place uint64) bool {
	return t.causeOf(causeKey{kind >> meaningBits, place, packetMeaning(kind) & packetAll}).meaning.Class != ClassCleanup
}

// kindRow is the key of the row that packet_drop_kind in bpf/packet_drop.bpf.c made this kind of.
func kindRow(kind uint32) []byte {
	wire := packetDropPacketDropRow{Reason: reasonOfNumber(kind >> meaningBits), Flags: uint8(kind) & uint8(packetAll)}
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&wire)), unsafe.Sizeof(wire))...)
}
