package packet_drop

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// Event is one packet that the kernel dropped.
type Event struct {
	bpf.BaseEvent
	*cause
	// ReasonCode is the running kernel's number of the reason.
	ReasonCode uint32
	// Length is the length of the kernel's buffer in bytes.
	Length uint32
	// EtherType is the protocol of the network layer.
	EtherType uint16
	// Protocol is the IP protocol number, Source and Destination the packet's own addresses; invalid where the packet
	// is neither IPv4 nor IPv6 or its header could not be read. Ports are there where HasPorts says so.
	Protocol            uint8
	HasPorts            bool
	Source, Destination netip.AddrPort
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
func (e *Event) Class() Class { return e.class }

// Location returns where the kernel dropped the packet, as symbol+0xoffset; "" where symbols may not be read.
func (e *Event) Location() string { return e.location }

// Tally implements bpf.Tallied: a record is a sample, and what it shows is counted in its row.
func (e *Event) Tally() uint64 { return 0 }

// Detail implements bpf.Tallied.
func (e *Event) Detail() bpf.Detail {
	switch {
	case e.exported:
		return bpf.Exported
	case e.class == ClassCleanup:
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
	if e.class == ClassLoss {
		return telemetry.Warn
	}
	return telemetry.Info
}

// Body implements bpf.Described.
func (e *Event) Body() string {
	line := fmt.Sprintf("dropped %s, %d bytes", e.packet(), e.Length)
	if e.reason != "" {
		line += ": " + e.reason
	}
	if e.location != "" {
		line += " at " + e.location
	}
	if e.Command != "" {
		line += " (" + e.Who() + ")"
	}
	return line
}

// packet names the packet as far as its headers could be read.
func (e *Event) packet() string {
	switch {
	case !e.Source.IsValid():
		return fmt.Sprintf("a packet of EtherType 0x%04x", e.EtherType)
	case e.HasPorts:
		return fmt.Sprintf("%s %s → %s", e.transport(), e.Source, e.Destination)
	default:
		return fmt.Sprintf("%s %s → %s", cmp.Or(e.transport(), networkType(e.EtherType)), e.Source.Addr(), e.Destination.Addr())
	}
}

// transport is the value of network.transport, "" where it is not known.
func (e *Event) transport() string {
	if !e.Source.IsValid() {
		return ""
	}
	return transport(e.EtherType, e.Protocol)
}

// Attributes implements bpf.Described.
func (e *Event) Attributes(dst []telemetry.Attribute) []telemetry.Attribute {
	if e.reason != "" {
		dst = append(dst, telemetry.String(telemetry.DropReason, e.reason))
	}
	dst = append(dst, telemetry.String(telemetry.DropClass, string(e.class)))
	if e.location != "" {
		dst = append(dst, telemetry.String(telemetry.DropLocation, e.location))
	}
	dst = append(dst, telemetry.Int(telemetry.PacketSize, int64(e.Length)))
	if network := networkType(e.EtherType); network != "" {
		dst = append(dst, telemetry.String(telemetry.NetworkType, network))
	} else {
		dst = append(dst, telemetry.Int(telemetry.EtherType, int64(e.EtherType)))
	}
	if transport := e.transport(); transport != "" {
		dst = append(dst, telemetry.String(telemetry.NetworkTransport, transport))
	}
	if e.Source.IsValid() {
		dst = append(dst,
			telemetry.String(telemetry.SourceAddress, e.Source.Addr().String()),
			telemetry.String(telemetry.DestinationAddress, e.Destination.Addr().String()))
	}
	if e.HasPorts {
		dst = append(dst,
			telemetry.Int(telemetry.SourcePort, int64(e.Source.Port())),
			telemetry.Int(telemetry.DestinationPort, int64(e.Destination.Port())))
	}
	return e.OwnerAttributes(dst)
}
