package connection

import (
	"fmt"
	"time"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// Traffic is what a TCP connection carried, as one end of it counted.
type Traffic struct {
	// Sent and Received are bytes of payload: those that the other end acknowledged, and those that came in order.
	Sent, Received uint64
	// SegmentsSent and SegmentsReceived count all segments, Retransmitted those that were sent again.
	SegmentsSent, SegmentsReceived, Retransmitted uint32
	// RoundTrip is the smoothed round-trip time; 0 where it was never measured.
	RoundTrip time.Duration
}

func trafficOf(wire *connectionConnectionEvent) Traffic {
	return Traffic{
		Sent: wire.Traffic.Sent, Received: wire.Traffic.Received,
		SegmentsSent: wire.Traffic.SegmentsOut, SegmentsReceived: wire.Traffic.SegmentsIn,
		Retransmitted: wire.Traffic.Retransmits,
		RoundTrip:     time.Duration(wire.Traffic.RttUs) * time.Microsecond,
	}
}

func (t *Traffic) attributes(dst []telemetry.Attribute, role Role) []telemetry.Attribute {
	if role != RoleUnknown { // a client's SYN counts as a byte: without the role, one byte is in doubt
		dst = append(dst, telemetry.Int(telemetry.TCPSent, int64(t.Sent)))
	}
	dst = append(dst,
		telemetry.Int(telemetry.TCPReceived, int64(t.Received)),
		telemetry.Int(telemetry.TCPSegmentsSent, int64(t.SegmentsSent)),
		telemetry.Int(telemetry.TCPSegmentsReceived, int64(t.SegmentsReceived)),
		telemetry.Int(telemetry.TCPRetransmitted, int64(t.Retransmitted)))
	if t.RoundTrip != 0 {
		dst = append(dst, telemetry.Float(telemetry.TCPRoundTrip, t.RoundTrip.Seconds()))
	}
	return dst
}

func (t *Traffic) String() string {
	return fmt.Sprintf("%d bytes sent, %d received", t.Sent, t.Received)
}

// Ending is how a connection ended, and which end was the first to say so: enum ending of
// bpf/include/connection_event.h.
type Ending uint8

const (
	// EndingFIN is an orderly end.
	EndingFIN Ending = iota + 1
	// EndingReset is an end by a RST.
	EndingReset
	// EndingTimeout is one for want of answers.
	EndingTimeout
	// EndingError is any other error.
	EndingError

	endingHere  Ending = 1 << 4
	endingThere Ending = 1 << 5
)

var endingNames = [...]string{"", "fin", "reset", "timed_out", "error"}

// String returns the value of kerntap.tcp.ending, "" where it is not known.
func (e Ending) String() string {
	if how := int(e & (endingHere - 1)); how < len(endingNames) {
		return endingNames[how]
	}
	return endingNames[0]
}

// By returns the value of kerntap.tcp.ended_by: the end that was the first to say so, "" if neither was.
func (e Ending) By() string {
	switch {
	case e&endingHere != 0:
		return telemetry.Local
	case e&endingThere != 0:
		return telemetry.Remote
	}
	return ""
}

func (e Ending) attributes(dst []telemetry.Attribute) []telemetry.Attribute {
	if how := e.String(); how != "" {
		dst = append(dst, telemetry.String(telemetry.TCPEnding, how))
	}
	if by := e.By(); by != "" {
		dst = append(dst, telemetry.String(telemetry.TCPEndedBy, by))
	}
	return dst
}
