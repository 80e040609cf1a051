package bpf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// aggregateBuffer is how many events wait for the dispatcher, beside those in each program's own channel.
	aggregateBuffer = 8192
	// drainTime is how long StopAll waits for the dispatcher to take what is left.
	drainTime = 2 * time.Second
)

var (
	// ErrNoProgram says that no registered program is left that could go on.
	ErrNoProgram = errors.New("no program left")
	// ErrStopped is what a manager answers after StopAll: it does not start again.
	ErrStopped = errors.New("the manager was stopped")
)

// entry is one registered program and how far it came.
type entry struct {
	program BPFProgram
	stage   State
	err     error
	done    chan struct{} // closed when nothing more comes from the program; nil before it started
	unsent  atomic.Uint64 // records that StopAll gave up on
	untold  atomic.Uint64 // events in tallies that it gave up on
}

// giveUp counts an event that nobody took before the end.
func (e *entry) giveUp(event BPFEvent) {
	switch event := event.(type) {
	case rowCounter:
		e.untold.Add(event.rowCount())
	case PerProcess, Lacking:
		// parts of what rows tell
	default:
		e.unsent.Add(1)
	}
}

// Manager implements BPFManager. It is safe for concurrent use.
type Manager struct {
	log       *slog.Logger
	available func() bool
	events    chan BPFEvent
	abandon   chan struct{} // closed when StopAll stops waiting for the dispatcher
	ctx       context.Context
	cancel    context.CancelFunc
	forwards  sync.WaitGroup // one for each program that was started, unregistered ones too

	mu      sync.Mutex
	entries []*entry
	stopped bool

	stopping sync.Once
	stopErr  error // of the one stop
}

var _ BPFManager = (*Manager)(nil)

// ManagerOption changes how a manager is built.
type ManagerOption func(*Manager)

// WithLogger makes the manager log state changes there; without it it is silent.
func WithLogger(log *slog.Logger) ManagerOption {
	return func(m *Manager) { m.log = log }
}

// NewManager returns a manager without programs.
func NewManager(options ...ManagerOption) *Manager {
	m := &Manager{
		log:       slog.New(slog.DiscardHandler),
		available: kernelAvailable,
		events:    make(chan BPFEvent, aggregateBuffer),
		abandon:   make(chan struct{}),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	for _, option := range options {
		option(m)
	}
	return m
}

// IsAvailable implements BPFManager.
func (m *Manager) IsAvailable() bool { return m.available() }

// GetAggregatedEvents implements BPFManager.
func (m *Manager) GetAggregatedEvents() <-chan BPFEvent { return m.events }

// RegisterProgram implements BPFManager.
func (m *Manager) RegisterProgram(program BPFProgram) error {
	if program == nil {
		return errors.New("register program: it is nil")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	name := program.GetName()
	if m.stopped {
		return fmt.Errorf("register program %s: %w", name, ErrStopped)
	}
	if m.find(name) != nil {
		return fmt.Errorf("register program %s: the name is taken", name)
	}
	m.entries = append(m.entries, &entry{program: program})
	return nil
}

// UnregisterProgram implements BPFManager.
func (m *Manager) UnregisterProgram(name string) error {
	m.mu.Lock()
	e := m.find(name)
	m.entries = slices.DeleteFunc(m.entries, func(other *entry) bool { return other == e })
	m.mu.Unlock()
	if e == nil {
		return fmt.Errorf("unregister program %s: there is none", name)
	}
	err := e.program.Stop()
	if e.done != nil {
		<-e.done
	}
	return err
}

// GetProgram implements BPFManager.
func (m *Manager) GetProgram(name string) (BPFProgram, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.find(name); e != nil {
		return e.program, true
	}
	return nil, false
}

// ListPrograms implements BPFManager.
func (m *Manager) ListPrograms() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, e := range m.entries {
		names = append(names, e.program.GetName())
	}
	return names
}

// Statuses returns the truth about every registered program, in the order of registration.
func (m *Manager) Statuses() []Status {
	m.mu.Lock()
	entries := slices.Clone(m.entries)
	m.mu.Unlock()
	var all []Status
	for _, e := range entries {
		all = append(all, m.status(e))
	}
	return all
}

func (m *Manager) status(e *entry) Status {
	status := Status{Name: e.program.GetName(), Description: e.program.GetDescription()}
	if reporter, ok := e.program.(Reporter); ok {
		status = reporter.Status()
	} else if e.program.IsRunning() {
		status.State = Running
	}
	unsent := e.unsent.Load()
	status.Stats.Delivered -= min(unsent, status.Stats.Delivered)
	status.Stats.Dropped += unsent
	status.Stats.TalliesLost += e.untold.Load()
	return status
}

// find returns the entry of a name, or nil. The caller holds the lock.
func (m *Manager) find(name string) *entry {
	for _, e := range m.entries {
		if e.program.GetName() == name {
			return e
		}
	}
	return nil
}
