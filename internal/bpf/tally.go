package bpf

import (
	"time"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// amounts is AMOUNTS of bpf/include/distribution.h.
const amounts = 4

// RowTally is an event that says how many there were since it was last asked, of one row of a program's ledger. It is never
// kept and never exported as a record. Programs embed it in what their rows become.
type RowTally struct {
	BaseEvent
	// N is how many events the row counted, Sum the sum of what they measure.
	N, Sum uint64
	// Distribution and Second hold the durations of two kinds that were measured, nil where none were. Their number may
	// differ from N.
	Distribution, Second *telemetry.Distribution
	// Amounts are what else the row's events add up, as the program likes.
	Amounts [amounts]uint64
	// From is when the counting began; it ended at GetWallClockTime.
	From time.Time
}

// Tally implements Tallied.
func (t *RowTally) Tally() uint64 { return t.N }

// Detail implements Tallied.
func (t *RowTally) Detail() Detail { return Counted }

// Since implements Spanning.
func (t *RowTally) Since() time.Time { return t.From }

// rowCounter is the tally of a row: it tells events that no other tally tells.
type rowCounter interface{ rowCount() uint64 }

func (t *RowTally) rowCount() uint64 { return t.N }

// Labels returns the labels of a measurement: the program's own, and whose events the row counts, as far as rows tell
// that apart.
func (t *RowTally) Labels(own ...telemetry.Label) telemetry.Labels {
	return telemetry.LabelSet(append(own,
		telemetry.Label{Key: telemetry.Command, Value: t.Command},
		telemetry.Label{Key: telemetry.ProcessExecutable, Value: t.Executable},
		telemetry.Label{Key: telemetry.ContainerID, Value: t.GetWorkload().ContainerID},
		telemetry.Label{Key: telemetry.K8SPodUID, Value: t.GetWorkload().PodUID})...)
}

// ProcessTally says how many of the events that rows count belong to one process. Storages add it to what that process
// did, and not to what all did, which the rows tell.
type ProcessTally struct {
	part
	n         uint64
	eventType string
}

// part is a tally of what rows count, too.
type part struct {
	BaseEvent
	from time.Time
}

// Detail implements Tallied.
func (*part) Detail() Detail { return Counted }

// Since implements Spanning.
func (p *part) Since() time.Time { return p.from }

var (
	_ BPFEvent   = (*ProcessTally)(nil)
	_ Tallied    = (*ProcessTally)(nil)
	_ Spanning   = (*ProcessTally)(nil)
	_ PerProcess = (*ProcessTally)(nil)
)

// GetEventType implements BPFEvent.
func (t *ProcessTally) GetEventType() string { return t.eventType }

// Tally implements Tallied.
func (t *ProcessTally) Tally() uint64 { return t.n }

// ProcessOnly implements PerProcess.
func (t *ProcessTally) ProcessOnly() bool { return true }

// lack tells how much a program's ledger counted without its owner, for want of room.
type lack struct {
	part
	eventType           string
	nameless, ownerless uint64
}

var (
	_ BPFEvent = (*lack)(nil)
	_ Tallied  = (*lack)(nil)
	_ Lacking  = (*lack)(nil)
)

// GetEventType implements BPFEvent.
func (l *lack) GetEventType() string { return l.eventType }

// Tally implements Tallied: what it tells of is counted elsewhere.
func (l *lack) Tally() uint64 { return 0 }

// Nameless implements Lacking.
func (l *lack) Nameless() uint64 { return l.nameless }

// Ownerless implements Lacking.
func (l *lack) Ownerless() uint64 { return l.ownerless }
