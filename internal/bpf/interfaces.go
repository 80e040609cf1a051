package bpf

import (
	"context"
	"time"
)

// BPFEvent is what every program reports: something that one process did or met at one moment.
type BPFEvent interface {
	// GetPID returns the process as the initial pid namespace numbers it, and 0 where no process is known.
	GetPID() uint32
	// GetTimestamp returns when the kernel saw the event, in nanoseconds of CLOCK_MONOTONIC.
	GetTimestamp() uint64
	// GetCommand returns the kernel's command name of the process, and "" where no process is known.
	GetCommand() string
	// GetWallClockTime returns the timestamp as wall-clock time.
	GetWallClockTime() time.Time
	// GetEventType returns the name of the program that reports such events.
	GetEventType() string
}

// Identity says which program this is.
type Identity interface {
	GetName() string
	// GetDescription returns one line for people.
	GetDescription() string
	// GetObjectPath returns where the program's object stands in the source tree.
	GetObjectPath() string
}

// Lifecycle brings a program into the kernel and out again. The verbs come in this order; one that comes out of order
// is refused with an error that names both states.
type Lifecycle interface {
	// Load verifies the program and brings it into the kernel. On failure nothing stays behind.
	Load() error
	// Attach connects the loaded program to its hooks. On failure nothing stays attached.
	Attach() error
	// Start begins to read events until Stop, or until ctx ends. It does not block.
	Start(ctx context.Context) error
	// Stop detaches the program, delivers what it had reported, closes its event channel and returns when nothing of
	// it is left. It may be called in any state and any number of times.
	Stop() error
	// IsRunning tells whether the program reads events.
	IsRunning() bool
}

// EventSource hands out a program's events.
type EventSource interface {
	// GetEventChannel returns the one channel of the program's events. It is closed when the program stops.
	GetEventChannel() <-chan BPFEvent
}

// Summarizer answers questions about the past of one program from the storage.
type Summarizer interface {
	// GetSummary sums the tallies of the last durationSeconds for a pid or a command (a case-insensitive part of its
	// name); zero values match all.
	GetSummary(pid uint32, command string, durationSeconds int) int
	// GetAllEvents returns the kept records by pid, oldest first.
	GetAllEvents() map[uint32][]BPFEvent
}

// BPFProgram is one BPF object with its hooks and its events.
type BPFProgram interface {
	Identity
	Lifecycle
	EventSource
	Summarizer
}

// Registry holds the programs of a manager.
type Registry interface {
	// RegisterProgram adds a program. A second one of the same name is refused.
	RegisterProgram(program BPFProgram) error
	// UnregisterProgram stops a program and forgets it.
	UnregisterProgram(name string) error
	// GetProgram finds a program by name.
	GetProgram(name string) (BPFProgram, bool)
	// ListPrograms returns the names in the order of registration.
	ListPrograms() []string
}

// Conductor moves all registered programs a step on. Each method tries every program, leaves out those that failed
// before and returns the errors joined: the failure of one is not the failure of the others.
type Conductor interface {
	LoadAll() error
	AttachAll() error
	StartAll() error
	// StopAll stops the programs in reverse order and closes the aggregated channel.
	StopAll() error
}

// BPFManager runs programs and brings their events together.
type BPFManager interface {
	Registry
	Conductor
	// IsAvailable tells whether this kernel and these privileges allow any program at all.
	IsAvailable() bool
	// GetAggregatedEvents returns the one channel of all programs' events. It is closed by StopAll.
	GetAggregatedEvents() <-chan BPFEvent
}

// Querier returns kept records that are not older than since, oldest first.
type Querier interface {
	GetByPID(pid uint32, since time.Time) ([]BPFEvent, error)
	// GetByCommand matches a case-insensitive part of the command name; "" matches all.
	GetByCommand(command string, since time.Time) ([]BPFEvent, error)
	GetByType(eventType string, since time.Time) ([]BPFEvent, error)
}

// EventStorage keeps records for a while and sums tallies. It is safe for concurrent use.
type EventStorage interface {
	// Store keeps an event; it fails on nil only.
	Store(event BPFEvent) error
	Querier
	// Count sums the tallies since a moment; zero values match all.
	Count(pid uint32, command string, eventType string, since time.Time) int
}
