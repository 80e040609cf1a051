package connection

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// cancelled tells whether the caller gave up before there was an answer: it closed the socket or was killed.
func (e *Event) cancelled() bool { return e.Outcome == OutcomeFailed && e.Errno == 0 }

// errorType is the value of error.type: why a connection failed or ended abnormally, "" where it did neither.
func errorType(outcome Outcome, errno syscall.Errno) string {
	switch errno {
	case 0:
		if outcome == OutcomeFailed {
			return "cancelled"
		}
		return ""
	case syscall.ECONNREFUSED:
		return "refused"
	case syscall.ETIMEDOUT:
		return "timed_out"
	case syscall.ECONNRESET, syscall.EPIPE: // EPIPE: the reset came after the peer had closed its direction
		return "reset"
	case syscall.EHOSTUNREACH:
		return "host_unreachable"
	case syscall.ENETUNREACH:
		return "network_unreachable"
	case syscall.EADDRNOTAVAIL:
		return "address_not_available"
	case syscall.EACCES, syscall.EPERM:
		return "permission_denied"
	}
	return "_OTHER"
}

// EventName implements bpf.Described.
func (e *Event) EventName() string {
	switch {
	case e.UDP && e.Outcome == OutcomeFailed:
		return telemetry.EventUDPFailed
	case e.UDP:
		return telemetry.EventUDPOpened
	case e.Outcome == OutcomeOpened:
		return telemetry.EventTCPOpened
	case e.Outcome == OutcomeFailed:
		return telemetry.EventTCPFailed
	case e.Outcome == OutcomeListenDropped:
		return telemetry.EventTCPListenDropped
	default:
		return telemetry.EventTCPClosed
	}
}

// Severity implements bpf.Described.
func (e *Event) Severity() telemetry.Severity {
	if e.Outcome == OutcomeFailed && !e.cancelled() || e.Outcome == OutcomeListenDropped {
		return telemetry.Warn
	}
	return telemetry.Info
}

// Body implements bpf.Described.
func (e *Event) Body() string {
	switch {
	case e.Outcome == OutcomeListenDropped:
		return fmt.Sprintf("%s dropped %s on %s: %s", e.Who(), packets(e.Dropped), e.Local, e.Queue)
	case e.Outcome == OutcomeOpened && e.Role == RoleServer:
		return fmt.Sprintf("%s accepted %s on %s", e.Who(), e.peer(), e.Local)
	case e.Outcome == OutcomeOpened:
		return fmt.Sprintf("%s connected to %s%s", e.Who(), e.peer(), e.span(" in "))
	case e.Outcome == OutcomeFailed && e.Role == RoleServer:
		return fmt.Sprintf("%s lost %s on %s before it was established: %s", e.Who(), e.peer(), e.Local, e.why())
	case e.cancelled():
		return fmt.Sprintf("%s gave up connecting to %s%s", e.Who(), e.peer(), e.span(" after "))
	case e.Outcome == OutcomeFailed:
		return fmt.Sprintf("%s could not connect to %s: %s%s", e.Who(), e.peer(), e.why(), e.span(" after "))
	}
	line := fmt.Sprintf("%s ended its connection with %s%s", e.Who(), e.peer(), e.span(" after "))
	if e.CloserPID != 0 {
		line = fmt.Sprintf("%s[%d] ended the connection of %s with %s%s", e.CloserCommand, e.CloserPID, e.Who(), e.peer(), e.span(" after "))
	}
	if e.Ending != 0 {
		line += fmt.Sprintf(", %s", &e.Traffic)
	}
	if e.Errno != 0 {
		line += ": " + e.why()
	}
	return line
}

// portForgotten tells whether the port is not known: a socket forgets it once its process was told of a failure, and its
// destruction alone was seen.
func (e *Event) portForgotten() bool {
	return e.Outcome == OutcomeFailed && !e.UDP && e.Duration == 0 && e.Peer.Port() == 0
}

// peer is the other end, as far as it is known.
func (e *Event) peer() string {
	if e.portForgotten() {
		return e.Peer.Addr().String()
	}
	return e.Peer.String()
}

// why is the kernel's own word for the error.
func (e *Event) why() string {
	switch {
	case e.cancelled():
		return "given up"
	case e.Errno == ErrnoUnseen:
		return "the kernel did not let it be seen why"
	}
	return e.Errno.Error()
}

func (e *Event) span(lead string) string {
	if e.Duration == 0 {
		return ""
	}
	if e.older() {
		lead += "at least "
	}
	unit := time.Microsecond
	if e.Duration > time.Second {
		unit = time.Millisecond
	}
	return lead + e.Duration.Round(unit).String()
}

// Attributes implements bpf.Described.
func (e *Event) Attributes(dst []telemetry.Attribute) []telemetry.Attribute {
	dst = append(dst,
		telemetry.String(telemetry.NetworkTransport, e.transport()),
		telemetry.String(telemetry.NetworkType, e.networkType()))
	if e.Local != noEndpoint { // nothing was sent
		dst = append(dst,
			telemetry.String(telemetry.NetworkLocalAddress, e.Local.Addr().String()),
			telemetry.Int(telemetry.NetworkLocalPort, int64(e.Local.Port())))
	}
	if e.Outcome != OutcomeListenDropped {
		dst = append(dst, telemetry.String(telemetry.NetworkPeerAddress, e.Peer.Addr().String()))
		if !e.portForgotten() {
			dst = append(dst, telemetry.Int(telemetry.NetworkPeerPort, int64(e.Peer.Port())))
		}
	}
	dst = e.OwnerAttributes(dst)
	if role := e.Role.String(); role != "" {
		dst = append(dst, telemetry.String(telemetry.TCPRole, role))
	}
	if how := e.attribution(); how != "" {
		dst = append(dst, telemetry.String(telemetry.Attribution, how))
	}
	if reason := errorType(e.Outcome, e.Errno); reason != "" {
		dst = append(dst, telemetry.String(telemetry.ErrorType, reason))
	}
	if e.Errno != 0 && e.Errno != ErrnoUnseen {
		dst = append(dst, telemetry.Int(telemetry.Errno, int64(e.Errno)))
	}
	switch {
	case e.Duration == 0:
	case e.older():
		dst = append(dst, telemetry.Float(telemetry.DurationMinimum, e.Duration.Seconds()))
	default:
		dst = append(dst, telemetry.Float(telemetry.Duration, e.Duration.Seconds()))
	}
	if e.CloserPID != 0 {
		dst = append(dst,
			telemetry.Int(telemetry.TCPCloserPID, int64(e.CloserPID)),
			telemetry.String(telemetry.TCPCloserCommand, e.CloserCommand))
	}
	if e.Outcome == OutcomeListenDropped {
		dst = e.Queue.attributes(append(dst, telemetry.Int(telemetry.TCPListenDropped, int64(e.Dropped))))
	}
	if e.Ending != 0 {
		dst = e.Ending.attributes(e.Traffic.attributes(dst, e.Role))
	}
	return dst
}

// noEndpoint is what a connect that failed before it had an address has.
var noEndpoint = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)

func (e *Event) transport() string {
	if e.UDP {
		return telemetry.UDP
	}
	return telemetry.TCP
}

// older tells whether the connection was there before kerntap.
func (e *Event) older() bool { return e.Attribution == ByHolder }

// attribution is the value of kerntap.attribution, "" where the process itself did what the event tells.
func (e *Event) attribution() string {
	switch {
	case e.Command == "" || e.Outcome == OutcomeListenDropped:
		return ""
	case e.older():
		return telemetry.AttributionHolder
	case e.Role == RoleServer && e.Attribution != ByAccept:
		return telemetry.AttributionListener
	}
	return ""
}
