package tcp_trouble

import (
	"fmt"
	"net/netip"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// Kind says what happened, TROUBLE_… in bpf/tcp_trouble.bpf.c.
type Kind uint8

// The kinds of trouble.
const (
	// Retransmit is a segment that was sent again because its acknowledgement did not come.
	Retransmit Kind = iota
	// ResetSent is a reset that this end sent.
	ResetSent
	// ResetReceived is a reset that a connection of this end got.
	ResetReceived
)

// kindNames are the kinds as the configuration calls them.
var kindNames = [...]string{"retransmit", "reset_sent", "reset_received"}

// String returns the kind as the configuration calls it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// direction is a value of network.io.direction.
func (k Kind) direction() string {
	if k == ResetReceived {
		return telemetry.Receive
	}
	return telemetry.Transmit
}

// Event is one segment sent again, or one reset.
type Event struct {
	bpf.BaseEvent
	Kind Kind
	// Reason is the kernel's own name of why it sent a reset, "" where it gives none.
	Reason string
	// Segments is how many segments were sent again at once.
	Segments uint32
	// Local and Peer are the ends of the connection; invalid where they are not known.
	Local, Peer netip.AddrPort
}

var (
	_ bpf.Described = (*Event)(nil)
	_ bpf.Tallied   = (*Event)(nil)
)

// GetEventType implements bpf.BPFEvent.
func (e *Event) GetEventType() string { return Name }

// EventName implements bpf.Described.
func (e *Event) EventName() string {
	if e.Kind == Retransmit {
		return telemetry.EventTCPRetransmitted
	}
	return telemetry.EventTCPReset
}

// Severity implements bpf.Described.
func (e *Event) Severity() telemetry.Severity { return telemetry.Info }

// Body implements bpf.Described.
func (e *Event) Body() string {
	var line string
	switch e.Kind {
	case Retransmit:
		line = "sent again"
	case ResetSent:
		line = "sent a reset"
	default:
		line = "got a reset"
	}
	if e.Local.IsValid() {
		line += fmt.Sprintf(", %s → %s", e.Local, e.Peer)
	}
	if e.Segments > 1 {
		line += fmt.Sprintf(", %d segments", e.Segments)
	}
	if e.Reason != "" {
		line += ": " + e.Reason
	}
	if e.Command == "" {
		return line
	}
	return e.Who() + " " + line
}

// Attributes implements bpf.Described.
func (e *Event) Attributes(dst []telemetry.Attribute) []telemetry.Attribute {
	dst = append(dst, telemetry.String(telemetry.NetworkTransport, telemetry.TCP))
	if e.Kind != Retransmit {
		dst = append(dst, telemetry.String(telemetry.Direction, e.Kind.direction()))
	}
	if e.Reason != "" {
		dst = append(dst, telemetry.String(telemetry.ResetReason, e.Reason))
	}
	if e.Local.IsValid() {
		network := telemetry.IPv6
		if e.Peer.Addr().Is4() {
			network = telemetry.IPv4
		}
		dst = append(dst,
			telemetry.String(telemetry.NetworkType, network),
			telemetry.String(telemetry.NetworkLocalAddress, e.Local.Addr().String()),
			telemetry.Int(telemetry.NetworkLocalPort, int64(e.Local.Port())),
			telemetry.String(telemetry.NetworkPeerAddress, e.Peer.Addr().String()),
			telemetry.Int(telemetry.NetworkPeerPort, int64(e.Peer.Port())))
	}
	return e.OwnerAttributes(dst)
}

// Tally implements bpf.Tallied: a record is a sample, and what it shows is counted in its row.
func (e *Event) Tally() uint64 { return 0 }

// Detail implements bpf.Tallied: of kinds that nobody wants there are no records.
func (e *Event) Detail() bpf.Detail { return bpf.Exported }

// Tally is how many there were of one kind, as one row of the ledger tells them apart. Sum is how many segments were sent
// again.
type Tally struct {
	bpf.RowTally
	Kind Kind
	// Reason is the kernel's own name of why it sent a reset, "" where it gives none.
	Reason string
}

var _ bpf.Measured = (*Tally)(nil)

// GetEventType implements bpf.BPFEvent.
func (t *Tally) GetEventType() string { return Name }

// Measurements implements bpf.Measured.
func (t *Tally) Measurements(dst []telemetry.Measurement) []telemetry.Measurement {
	if t.Kind == Retransmit {
		return append(dst, telemetry.Measurement{
			Metric: &telemetry.TCPRetransmits, Labels: t.Labels(), Value: float64(t.Sum)})
	}
	return append(dst, telemetry.Measurement{
		Metric: &telemetry.TCPResets,
		Labels: t.Labels(
			telemetry.Label{Key: telemetry.Direction, Value: t.Kind.direction()},
			telemetry.Label{Key: telemetry.ResetReason, Value: t.Reason}),
		Value: float64(t.N),
	})
}
