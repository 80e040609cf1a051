package connection

import (
	"fmt"
	"syscall"
	"unsafe"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// Tally is how many connections of one kind, as one row of the ledger tells them apart, had the same outcome.
type Tally struct {
	bpf.RowTally
	Outcome Outcome
	Role    Role
	Errno   syscall.Errno
	// IPv6 tells that the connections were over IPv6; IPv4-mapped addresses are IPv4.
	IPv6 bool
	// UDP tells that the sockets are UDP's.
	UDP bool
	// Active tells that the events changed how many connections are established: by N more, or by N less if they are
	// closed. An opening without role is a connection that was found when kerntap started.
	Active bool
	// Port is the server's, 0 where rows do not tell ports apart.
	Port uint16
}

var (
	_ bpf.Tallied  = (*Tally)(nil)
	_ bpf.Spanning = (*Tally)(nil)
	_ bpf.Measured = (*Tally)(nil)
)

// GetEventType implements bpf.BPFEvent.
func (t *Tally) GetEventType() string { return Name }

// Tally implements bpf.Tallied: summaries count clients' attempts.
func (t *Tally) Tally() uint64 {
	if isAttempt(t.Role, t.Outcome) && !t.UDP {
		return t.N
	}
	return 0
}

// Measurements implements bpf.Measured.
func (t *Tally) Measurements(dst []telemetry.Measurement) []telemetry.Measurement {
	role := telemetry.Label{Key: telemetry.TCPRole, Value: t.Role.String()}
	reason := telemetry.Label{Key: telemetry.ErrorType, Value: errorType(t.Outcome, t.Errno)}
	if t.UDP {
		return t.add(dst, &telemetry.UDPConnections, t.N, t.network(), reason, t.port())
	}
	if t.Outcome == OutcomeFailed || t.Outcome == OutcomeOpened && t.Role != RoleUnknown {
		dst = t.add(dst, &telemetry.TCPConnections, t.N, t.network(), role, reason, t.port())
	}
	if t.Outcome == outcomeNone {
		dst = t.add(dst, &telemetry.TCPListenDrops, t.N)
	}
	if t.Active && t.N > 0 {
		change := float64(t.N)
		if t.Outcome == OutcomeClosed {
			change = -change
		}
		dst = append(dst, telemetry.Measurement{Metric: &telemetry.TCPActive, Labels: t.Labels(role), Value: change})
	}
	if t.Distribution != nil {
		duration := &telemetry.TCPConnectDuration
		if t.Outcome == OutcomeClosed {
			duration = &telemetry.TCPConnectionDuration
		}
		dst = append(dst, telemetry.Measurement{
			Metric: duration, Labels: t.Labels(role, reason, t.port()), Distribution: t.Distribution})
	}
	if t.Second != nil {
		dst = append(dst, telemetry.Measurement{Metric: &telemetry.TCPRTT, Labels: t.Labels(role), Distribution: t.Second})
	}
	return t.traffic(dst)
}

// The amounts of a row's measures, as bpf/include/connection_row.h numbers them.
const (
	amountSent = iota
	amountReceived
	amountSegmentsSent
	amountSegmentsReceived
)

// traffic adds what the row's connections carried.
func (t *Tally) traffic(dst []telemetry.Measurement) []telemetry.Measurement {
	transmit := telemetry.Label{Key: telemetry.Direction, Value: telemetry.Transmit}
	receive := telemetry.Label{Key: telemetry.Direction, Value: telemetry.Receive}
	dst = t.add(dst, &telemetry.TCPIO, t.Amounts[amountSent], transmit)
	dst = t.add(dst, &telemetry.TCPIO, t.Amounts[amountReceived], receive)
	dst = t.add(dst, &telemetry.TCPSegments, t.Amounts[amountSegmentsSent], transmit)
	return t.add(dst, &telemetry.TCPSegments, t.Amounts[amountSegmentsReceived], receive)
}

// add adds n to a counter, unless it is 0.
func (t *Tally) add(dst []telemetry.Measurement, to *telemetry.Metric, n uint64, own ...telemetry.Label) []telemetry.Measurement {
	if n == 0 {
		return dst
	}
	return append(dst, telemetry.Measurement{Metric: to, Labels: t.Labels(own...), Value: float64(n)})
}

func (t *Tally) network() telemetry.Label {
	network := telemetry.Label{Key: telemetry.NetworkType, Value: telemetry.IPv4}
	if t.IPv6 {
		network.Value = telemetry.IPv6
	}
	return network
}

func (t *Tally) port() (port telemetry.Label) {
	if t.Port != 0 {
		port = telemetry.Label{Key: telemetry.ServerPort, Value: fmt.Sprint(t.Port)}
	}
	return port
}

// row makes a tally of what a row of the ledger counted.
func row(counted bpf.RowTally, key []byte) (bpf.BPFEvent, error) {
	wire, err := bpf.Cast[connectionConnectionRow](key)
	if err != nil {
		return nil, fmt.Errorf("connection row: %w", err)
	}
	return &Tally{
		RowTally: counted,
		Outcome:  Outcome(wire.Outcome),
		Role:     Role(wire.Role),
		Errno:    errnoOf(wire.Error),
		IPv6:     wire.Family == syscall.AF_INET6,
		UDP:      wire.Protocol == syscall.IPPROTO_UDP,
		Active:   wire.Active != 0,
		Port:     wire.Port,
	}, nil
}

// kindRow is the key of the row that connection_kind in bpf/include/connection_row.h made this kind of.
func kindRow(kind uint32) []byte {
	wire := connectionConnectionRow{
		Outcome: uint8(kind & 3), Role: uint8(kind >> 2 & 3), Family: syscall.AF_INET, Active: uint8(kind >> 5 & 1),
		Error: int32(kind >> 6 & 0x7f), Protocol: syscall.IPPROTO_TCP,
	}
	if kind>>13&1 != 0 {
		wire.Protocol = syscall.IPPROTO_UDP
	}
	if kind>>4&1 != 0 {
		wire.Family = syscall.AF_INET6
	}
	return keyOf(wire)
}

// spillRow is the key of a row of which only the outcome is known.
func spillRow(kind uint32) []byte { return keyOf(connectionConnectionRow{Outcome: uint8(kind)}) }

func keyOf(wire connectionConnectionRow) []byte {
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&wire)), unsafe.Sizeof(wire))...)
}
