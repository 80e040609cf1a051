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
	if isAttempt(t.Role, t.Outcome) {
		return t.N
	}
	return 0
}

// Measurements implements bpf.Measured.
func (t *Tally) Measurements(dst []telemetry.Measurement) []telemetry.Measurement {
	role := telemetry.Label{Key: telemetry.TCPRole, Value: t.Role.String()}
	reason := telemetry.Label{Key: telemetry.ErrorType, Value: errorType(t.Outcome, t.Errno)}
	var port telemetry.Label
	if t.Port != 0 {
		port = telemetry.Label{Key: telemetry.ServerPort, Value: fmt.Sprint(t.Port)}
	}
	duration := &telemetry.TCPConnectDuration
	if t.Outcome == OutcomeClosed {
		duration = &telemetry.TCPConnectionDuration
	} else if t.N > 0 {
		network := telemetry.Label{Key: telemetry.NetworkType, Value: telemetry.IPv4}
		if t.IPv6 {
			network.Value = telemetry.IPv6
		}
		dst = append(dst, telemetry.Measurement{
			Metric: &telemetry.TCPConnections,
			Labels: t.Labels(network, role, reason, port),
			Value:  float64(t.N),
		})
	}
	if t.Distribution != nil {
		dst = append(dst, telemetry.Measurement{
			Metric:       duration,
			Labels:       t.Labels(role, reason, port),
			Distribution: t.Distribution,
		})
	}
	return dst
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
		Errno:    syscall.Errno(wire.Error),
		IPv6:     wire.Family == syscall.AF_INET6,
		Port:     wire.Port,
	}, nil
}

// kindRow is the key of the row that connection_kind in bpf/include/connection_event.h made this kind of.
func kindRow(kind uint32) []byte {
	wire := connectionConnectionRow{
		Outcome: uint8(kind & 3), Role: uint8(kind >> 2 & 3), Family: syscall.AF_INET, Error: int32(kind >> 5),
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
