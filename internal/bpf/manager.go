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
	unsent  atomic.Uint64 // events that StopAll gave up on
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

// LoadAll implements BPFManager.
func (m *Manager) LoadAll() error {
	return m.advance(New, Loaded, func(e *entry) error { return e.program.Load() })
}

// AttachAll implements BPFManager.
func (m *Manager) AttachAll() error {
	return m.advance(Loaded, Attached, func(e *entry) error { return e.program.Attach() })
}

// StartAll implements BPFManager.
func (m *Manager) StartAll() error {
	return m.advance(Attached, Running, func(e *entry) error {
		if err := e.program.Start(m.ctx); err != nil {
			return err
		}
		e.done = make(chan struct{})
		m.forwards.Go(func() { m.forward(e) })
		m.log.Info("program started", "program", e.program.GetName())
		return nil
	})
}

// advance moves every program that stands at from one step on. Programs that failed before are left out.
func (m *Manager) advance(from, to State, do func(*entry) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return ErrStopped
	}
	var errs []error
	left := 0
	for _, e := range m.entries {
		if e.err == nil && e.stage == from {
			if err := do(e); err != nil {
				e.err, e.stage = err, Failed
				errs = append(errs, err)
				continue
			}
			e.stage = to
		}
		if e.err == nil {
			left++
		}
	}
	if left == 0 {
		errs = append(errs, ErrNoProgram)
	}
	return errors.Join(errs...)
}

// forward brings one program's events to the aggregated channel until the program's channel is closed. It waits for
// the dispatcher: then the program's own channel fills, and its reader drops and counts.
func (m *Manager) forward(e *entry) {
	defer close(e.done)
	for event := range e.program.GetEventChannel() {
		select { // alone it is far cheaper than beside the one below
		case m.events <- event:
			continue
		default:
		}
		select {
		case m.events <- event:
		case <-m.abandon:
			e.unsent.Add(1)
		}
	}
}

// StopAll implements BPFManager. It gives the dispatcher two seconds to take what the programs had reported; what is
// left then is dropped and counted. It may be called any number of times.
func (m *Manager) StopAll() error {
	m.stopping.Do(func() { m.stopErr = m.stopAll() })
	return m.stopErr
}

// stopAll does not hold the lock while it waits: the API goes on to answer.
func (m *Manager) stopAll() error {
	m.mu.Lock()
	m.stopped = true
	entries := slices.Clone(m.entries)
	m.mu.Unlock()
	patience := time.AfterFunc(drainTime, func() { close(m.abandon) })
	defer patience.Stop()
	var errs []error
	for _, e := range slices.Backward(entries) {
		if err := e.program.Stop(); err != nil {
			errs = append(errs, err)
		}
	}
	m.forwards.Wait()
	m.cancel()
	close(m.events)
	return errors.Join(errs...)
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
