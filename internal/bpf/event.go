package bpf

import (
	"strconv"
	"time"

	"github.com/kerntap/kerntap/internal/telemetry"
	"github.com/kerntap/kerntap/internal/workload"
)

// Detail says how far one event travels beyond the counts.
type Detail uint8

const (
	// Counted events add to counters and summaries and are then forgotten.
	Counted Detail = iota
	// Kept events are kept in the storage for the local API as well.
	Kept
	// Exported events are kept and sent as log records as well.
	Exported
)

// Tallied is an event that knows what it adds to a summary and how far it travels. An event that does not implement
// it adds one and is kept and exported.
type Tallied interface {
	// Tally returns how many occurrences the event adds to GetSummary and Count.
	Tally() uint64
	Detail() Detail
}

// Described is an event that exporters can turn into a log record without knowing its program.
type Described interface {
	BPFEvent
	// EventName returns the log record's event name.
	EventName() string
	Severity() telemetry.Severity
	// Body returns one line for people.
	Body() string
	// Attributes appends the record's attributes to dst.
	Attributes(dst []telemetry.Attribute) []telemetry.Attribute
}

// Measured is an event that adds to metrics.
type Measured interface {
	// Measurements appends what the event adds to dst.
	Measurements(dst []telemetry.Measurement) []telemetry.Measurement
}

// Spanning is an event that counts what happened over a stretch of time.
type Spanning interface {
	// Since returns the wall-clock time from which on the event counts; GetWallClockTime is the end of the stretch.
	Since() time.Time
}

// PerProcess is an event that tells what part of a sum one process has.
type PerProcess interface {
	// ProcessOnly tells whether the event is counted elsewhere in the sum over all processes.
	ProcessOnly() bool
}

// Lacking is an event that tells of occurrences that were counted elsewhere, but not for their owner.
type Lacking interface {
	// Nameless were counted without their command, Ownerless without their process.
	Nameless() uint64
	Ownerless() uint64
}

// TallyOf returns what an event adds to a summary.
func TallyOf(event BPFEvent) uint64 {
	if t, ok := event.(Tallied); ok {
		return t.Tally()
	}
	return 1
}

// DetailOf returns how far an event travels.
func DetailOf(event BPFEvent) Detail {
	if t, ok := event.(Tallied); ok {
		return t.Detail()
	}
	return Exported
}

// BaseEvent is what all events have in common; programs embed it in theirs.
type BaseEvent struct {
	// PID and VPID are the owner's process id in the initial pid namespace and in its own; 0 where none is known.
	PID, VPID uint32
	// Timestamp is in nanoseconds of CLOCK_MONOTONIC; WallOffset added to it gives Unix time.
	Timestamp  uint64
	WallOffset int64
	// Command is the owner's command name (comm of the thread-group leader), Executable the name of its executable
	// file; "" where none is known.
	Command, Executable string
	// Workload is where the owner belongs, nil where nothing is known of that. Events share it: it is not to be changed.
	Workload *workload.Identity
	// NetNS is the inode number of the network namespace; 0 where it is not known.
	NetNS uint32
}

// GetPID implements BPFEvent.
func (e *BaseEvent) GetPID() uint32 { return e.PID }

// GetTimestamp implements BPFEvent.
func (e *BaseEvent) GetTimestamp() uint64 { return e.Timestamp }

// GetCommand implements BPFEvent.
func (e *BaseEvent) GetCommand() string { return e.Command }

// GetWallClockTime implements BPFEvent.
func (e *BaseEvent) GetWallClockTime() time.Time {
	return time.Unix(0, int64(e.Timestamp)+e.WallOffset).UTC()
}

// GetWorkload returns where the owner belongs, as far as it is known.
func (e *BaseEvent) GetWorkload() workload.Identity {
	if e.Workload == nil {
		return workload.Identity{}
	}
	return *e.Workload
}

// Who names the process for people: command[pid], the command alone for the kernel's own, or that it is not known.
func (e *BaseEvent) Who() string {
	switch {
	case e.Command == "":
		return "an unknown process"
	case e.PID == 0:
		return e.Command
	default:
		return e.Command + "[" + strconv.FormatUint(uint64(e.PID), 10) + "]"
	}
}

// OwnerAttributes appends what is known of the process to dst.
func (e *BaseEvent) OwnerAttributes(dst []telemetry.Attribute) []telemetry.Attribute {
	if e.Command != "" {
		dst = append(dst, telemetry.String(telemetry.Command, e.Command))
	}
	if e.PID != 0 {
		dst = append(dst, telemetry.Int(telemetry.ProcessPID, int64(e.PID)))
	}
	if e.VPID != 0 {
		dst = append(dst, telemetry.Int(telemetry.ProcessVPID, int64(e.VPID)))
	}
	if e.Executable != "" {
		dst = append(dst, telemetry.String(telemetry.ProcessExecutable, e.Executable))
	}
	known := e.GetWorkload()
	if known.ContainerID != "" {
		dst = append(dst, telemetry.String(telemetry.ContainerID, known.ContainerID))
	}
	if known.PodUID != "" {
		dst = append(dst, telemetry.String(telemetry.K8SPodUID, known.PodUID))
	}
	return dst
}
