package packet_drop

import (
	"encoding/json"
	"fmt"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// Event is one packet that the kernel dropped.
type Event struct {
	bpf.BaseEvent
	*cause
	// ReasonCode is the running kernel's number of the reason.
	ReasonCode uint32
	Packet
}

var (
	_ bpf.Tallied    = (*Event)(nil)
	_ bpf.Described  = (*Event)(nil)
	_ bpf.PacketDrop = (*Event)(nil)
)

// GetEventType implements bpf.BPFEvent.
func (e *Event) GetEventType() string { return Name }

// Reason returns the kernel's name of the reason, "" on kernels that give none.
func (e *Event) Reason() string { return e.reason }

// Class returns what the drop means.
func (e *Event) Class() Class { return e.meaning.Class }

// Location returns where the kernel dropped the packet, as symbol+0xoffset; "" where symbols may not be read.
func (e *Event) Location() string { return e.location }

// Tally implements bpf.Tallied: a record is a sample, and what it shows is counted in its row.
func (e *Event) Tally() uint64 { return 0 }

// Detail implements bpf.Tallied.
func (e *Event) Detail() bpf.Detail {
	switch {
	case e.exported:
		return bpf.Exported
	case e.meaning.Class == ClassCleanup:
		return bpf.Counted // it would push what matters out of the storage
	default:
		return bpf.Kept
	}
}

// PacketDropInfo implements bpf.PacketDrop.
func (e *Event) PacketDropInfo() bpf.PacketDropInfo {
	return bpf.PacketDropInfo{
		PID:        e.PID,
		Command:    e.Command,
		DropReason: e.reason,
		SkbLength:  e.Length,
		Timestamp:  e.GetWallClockTime(),
	}
}

// MarshalJSON returns the original contract's form of the event.
func (e *Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(bpf.PacketDropJSON{
		PID:            e.PID,
		TimestampNS:    e.Timestamp,
		Command:        e.Command,
		DropReasonCode: e.ReasonCode,
		DropReason:     e.reason,
		SkbLength:      e.Length,
		WallTime:       e.GetWallClockTime(),
		Note:           bpf.TimestampNote,
	})
}

// EventName implements bpf.Described.
func (e *Event) EventName() string { return telemetry.EventPacketDropped }

// Severity implements bpf.Described.
func (e *Event) Severity() telemetry.Severity {
	if e.meaning.Class == ClassLoss {
		return telemetry.Warn
	}
	return telemetry.Info
}

// Body implements bpf.Described.
func (e *Event) Body() string {
	line := fmt.Sprintf("dropped %s, %d bytes", e.describe(), e.Length)
	if details := e.details(); details != "" {
		line += ", " + details
	}
	if e.reason != "" {
		line += ": " + e.reason
	}
	if e.location != "" {
		line += " at " + e.location
	}
	if e.Command != "" {
		line += " (" + e.Who() + ")"
	}
	line += ": " + e.meaning.What
	if e.meaning.Look != "" {
		line += "; look at " + e.meaning.Look
	}
	return line
}

// Attributes implements bpf.Described.
func (e *Event) Attributes(dst []telemetry.Attribute) []telemetry.Attribute {
	if e.reason != "" {
		dst = append(dst, telemetry.String(telemetry.DropReason, e.reason))
	}
	dst = append(dst, telemetry.String(telemetry.DropClass, string(e.meaning.Class)))
	if e.location != "" {
		dst = append(dst, telemetry.String(telemetry.DropLocation, e.location))
	}
	return e.OwnerAttributes(e.attributes(dst))
}
