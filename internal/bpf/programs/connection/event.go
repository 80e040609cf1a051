package connection

import (
	"encoding/json"
	"math"
	"net/netip"
	"syscall"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// Outcome is what became of a connection.
type Outcome uint8

const (
	// outcomeNone is that of rows that tell what open connections carried, and what listeners refused.
	outcomeNone Outcome = iota
	// OutcomeOpened is a connection that was established.
	OutcomeOpened
	// OutcomeFailed is an attempt that was not.
	OutcomeFailed
	// OutcomeClosed is the end of a connection that was established.
	OutcomeClosed
	// OutcomeListenDropped is that of packets which a listener dropped, most often because a queue of its was full.
	OutcomeListenDropped
)

var outcomeNames = [...]string{"unknown", "opened", "failed", "closed", "listen_dropped"}

// String returns the outcome as the configuration spells it.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return outcomeNames[0]
}

// Role is this end's part in a connection.
type Role uint8

const (
	// RoleUnknown is the role in a connection that is older than kerntap.
	RoleUnknown Role = iota
	// RoleClient called connect.
	RoleClient
	// RoleServer listens.
	RoleServer
)

var roleNames = [...]string{"", "client", "server"}

// String returns the value of kerntap.tcp.role, "" where the role is not known.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return roleNames[RoleUnknown]
}

// Attribution is how the process of an event is known.
type Attribution uint8

const (
	// ByCall is the process that called connect itself, or listen.
	ByCall Attribution = iota
	// ByListener is the process that listens.
	ByListener
	// ByHolder is the process that had the socket open when kerntap started.
	ByHolder
	// ByAccept is the process that accepted the connection.
	ByAccept
)

// ErrnoUnseen is the Errno of a connect that failed, or was given up, while the kernel ran no program: which of the two it
// was, and why, is not known.
const ErrnoUnseen = syscall.Errno(math.MaxInt32)

// errnoOf reads an errno as the kernel's programs write it.
func errnoOf(wire int32) syscall.Errno {
	if wire < 0 {
		return ErrnoUnseen
	}
	return syscall.Errno(wire)
}

// Event is one change in the life of a connection, as one end of it saw it.
type Event struct {
	bpf.BaseEvent
	Outcome     Outcome
	Role        Role
	Attribution Attribution
	// UDP tells that the socket is UDP's, which are opened or failed; others are TCP's.
	UDP bool
	// Traffic is what the connection carried, Ending how it ended; both are zero but for what was closed.
	Traffic Traffic
	Ending  Ending
	// Errno is why a connection failed or ended; 0 for an ordinary end, and for a connect that its caller gave up;
	// ErrnoUnseen where the kernel did not let that be seen.
	Errno syscall.Errno
	// Duration is how long the connect took (client, opened and failed) or the connection lasted (closed); 0 where
	// that is not known. Of a connection that is older than kerntap it is how long kerntap has seen it.
	Duration time.Duration
	// CloserPID and CloserCommand are of the process that ended the connection at this end, or gave it up, if that is another
	// one than its owner; 0 and "" if it is not, or not known.
	CloserPID     uint32
	CloserCommand string
	// Local and Peer are this end and the other; IPv4-mapped addresses are IPv4. A listener has no peer.
	Local, Peer netip.AddrPort
	// Dropped is how many packets the listener dropped since that was last told, Queue what its queue was then; both are zero
	// but for what a listener dropped.
	Dropped uint32
	Queue   Queue

	exported bool
}

var (
	_ bpf.Tallied           = (*Event)(nil)
	_ bpf.Described         = (*Event)(nil)
	_ bpf.ConnectionAttempt = (*Event)(nil)
)

// GetEventType implements bpf.BPFEvent.
func (e *Event) GetEventType() string { return Name }

// isAttempt tells whether an outcome is the one of a client's connect.
func isAttempt(role Role, outcome Outcome) bool {
	return role == RoleClient && (outcome == OutcomeOpened || outcome == OutcomeFailed)
}

// Tally implements bpf.Tallied: a record is a sample, and what it shows is counted in its row.
func (e *Event) Tally() uint64 { return 0 }

// Detail implements bpf.Tallied.
func (e *Event) Detail() bpf.Detail {
	if e.exported {
		return bpf.Exported
	}
	return bpf.Kept
}

// ConnectionInfo implements bpf.ConnectionAttempt.
func (e *Event) ConnectionInfo() (bpf.ConnectionInfo, bool) {
	return bpf.ConnectionInfo{
		PID:         e.PID,
		Command:     e.Command,
		Destination: e.Peer.String(),
		Protocol:    e.protocol(),
		ReturnCode:  e.returnCode(),
		Timestamp:   e.GetWallClockTime(),
	}, isAttempt(e.Role, e.Outcome) && !e.UDP
}

// returnCode is the original contract's: 0 means opened, so a connect that was given up is ECANCELED, and one of which that
// is not known -1.
func (e *Event) returnCode() int32 {
	switch {
	case e.cancelled():
		return int32(syscall.ECANCELED)
	case e.Errno == ErrnoUnseen:
		return -1
	}
	return int32(e.Errno)
}

// MarshalJSON returns the original contract's form of the event.
func (e *Event) MarshalJSON() ([]byte, error) {
	family := syscall.AF_INET
	if e.Peer.Addr().Is6() {
		family = syscall.AF_INET6
	}
	return json.Marshal(bpf.ConnectionJSON{
		PID:             e.PID,
		TimestampNS:     e.Timestamp,
		ReturnCode:      e.returnCode(),
		Command:         e.Command,
		DestinationIP:   e.Peer.Addr().String(),
		DestinationPort: e.Peer.Port(),
		Destination:     e.Peer.String(),
		AddressFamily:   uint16(family),
		Protocol:        e.protocol(),
		SocketType:      e.socketType(),
		WallTime:        e.GetWallClockTime(),
		Note:            bpf.TimestampNote,
	})
}

// networkType is the value of network.type.
func (e *Event) networkType() string {
	if e.Peer.Addr().Is4() || e.Outcome == OutcomeListenDropped && e.Local.Addr().Is4() {
		return telemetry.IPv4
	}
	return telemetry.IPv6
}

func (e *Event) protocol() string {
	if e.UDP {
		return "UDP"
	}
	return "TCP"
}

func (e *Event) socketType() string {
	if e.UDP {
		return "DGRAM"
	}
	return "STREAM"
}
