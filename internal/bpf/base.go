// Package bpf holds the contracts of kerntap and what keeps them: programs as data, the manager that runs them and
// brings their events together, and the storage that answers for the past.
//
// It knows no program and no exporter. Its laws: one program's failure is its own; a reader is never blocked by
// whoever reads its events; every event that does not arrive is counted under the name of its loss.
package bpf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// ErrOutOfOrder is wrapped by verbs that a program's state does not allow.
var ErrOutOfOrder = errors.New("out of order")

// eventBuffer is how many events wait in a program's channel: some 30 ms of a busy host.
const eventBuffer = 8192

// Option changes how a program is built.
type Option func(*Program)

// WithSession makes the program share its session with others. Without it the program has a session of its own.
func WithSession(session *Session) Option {
	return func(p *Program) { p.session = session }
}

// Program runs a Spec. It implements BPFProgram and Reporter and is safe for concurrent use.
type Program struct {
	spec       Spec
	storage    EventStorage
	session    *Session
	ownSession bool
	events     chan BPFEvent
	reading    sync.WaitGroup // the reader of the ring and the drainer of the ledger, who send to events
	ended      chan struct{}  // closed after events is
	read       readCounts
	drained    drainCounts
	endDrains  func() // has the drainer drain a last time and end; may be called any number of times

	verbs   sync.Mutex // one verb at a time; guards started
	started bool       // events has senders

	mu       sync.Mutex // guards what Status reads
	state    State
	released bool
	reason   error
	object   *object
	hooks    []Hook
	refused  []Hook // which the kernel has refused, and the object is loaded without
	reduced  []Reduction
	stats    Stats // as last read
	maps     uint64
	unhook   func() bool // undoes the watch over Start's context
}

var (
	_ BPFProgram = (*Program)(nil)
	_ Reporter   = (*Program)(nil)
)

// NewProgram returns a program that has not touched the kernel yet.
func NewProgram(spec Spec, storage EventStorage, options ...Option) *Program {
	p := &Program{spec: spec, storage: storage, events: make(chan BPFEvent, eventBuffer), ended: make(chan struct{})}
	for _, option := range options {
		option(p)
	}
	if p.session == nil {
		p.session, p.ownSession = NewSession(nil), true
	}
	return p
}

// GetName implements BPFProgram.
func (p *Program) GetName() string { return p.spec.Name }

// GetDescription implements BPFProgram.
func (p *Program) GetDescription() string { return p.spec.Description }

// GetObjectPath implements BPFProgram.
func (p *Program) GetObjectPath() string { return p.spec.ObjectPath }

// GetEventChannel implements BPFProgram.
func (p *Program) GetEventChannel() <-chan BPFEvent { return p.events }

// IsRunning implements BPFProgram.
func (p *Program) IsRunning() bool { return p.currentState() == Running }

// GetSummary implements BPFProgram.
func (p *Program) GetSummary(pid uint32, command string, durationSeconds int) int {
	since := time.Now().Add(-time.Duration(durationSeconds) * time.Second)
	return p.storage.Count(pid, command, p.spec.Name, since)
}

// GetAllEvents implements BPFProgram.
func (p *Program) GetAllEvents() map[uint32][]BPFEvent {
	byPID := make(map[uint32][]BPFEvent)
	events, err := p.storage.GetByType(p.spec.Name, time.Time{})
	if err != nil {
		p.log().Warn("cannot read events back", "error", err)
		return byPID
	}
	for _, event := range events {
		byPID[event.GetPID()] = append(byPID[event.GetPID()], event)
	}
	return byPID
}

// Hooks returns the hooks that the program's object names, with what became of each so far. Unlike Status it has an
// answer before Load.
func (p *Program) Hooks() ([]Hook, error) {
	if hooks := p.Status().Hooks; len(hooks) > 0 {
		return hooks, nil
	}
	spec, err := p.spec.Object()
	if err != nil {
		return nil, fmt.Errorf("read object of program %s: %w", p.spec.Name, err)
	}
	return hooksOf(spec), nil
}

// Load implements BPFProgram.
func (p *Program) Load() error {
	return p.step("load", New, Loaded, func() error {
		spec, err := p.spec.Object()
		if err != nil {
			return fmt.Errorf("read object: %w", err)
		}
		p.setHooks(hooksOf(spec))
		if err := p.findReductions(); err != nil {
			return err
		}
		return p.load()
	})
}

// Attach implements BPFProgram.
func (p *Program) Attach() error {
	return p.step("attach", Loaded, Attached, p.attach)
}

// TryReading does once what the running program does again and again: it reads its side of the kernel, asks for
// statistics and waits for running programs. Where it succeeds without privileges, none are needed after Attach.
func (p *Program) TryReading() error {
	p.mu.Lock()
	object := p.object
	p.mu.Unlock()
	if object == nil {
		return fmt.Errorf("read program %s: %w", p.spec.Name, ErrOutOfOrder)
	}
	var stats Stats
	if err := errors.Join(object.count(&stats), p.session.awaitPrograms()); err != nil {
		return fmt.Errorf("read program %s: %w", p.spec.Name, err)
	}
	return nil
}

// Start implements BPFProgram.
func (p *Program) Start(ctx context.Context) error {
	return p.step("start", Attached, Running, func() error {
		p.startReading(p.object)
		// AfterFunc may call Stop at once, but Stop waits for this verb to end.
		unhook := context.AfterFunc(ctx, func() {
			if err := p.Stop(); err != nil {
				p.log().Warn("cannot stop", "error", err)
			}
		})
		p.mu.Lock()
		defer p.mu.Unlock()
		p.unhook = unhook
		return nil
	})
}

// Stop implements BPFProgram.
func (p *Program) Stop() error {
	p.verbs.Lock()
	defer p.verbs.Unlock()
	if err := p.release(Stopped); err != nil {
		return fmt.Errorf("stop program %s: %w", p.spec.Name, err)
	}
	return nil
}

// step runs one verb: it checks the state that the verb starts from, and a failure is the program's last word.
func (p *Program) step(verb string, from, to State, do func() error) error {
	p.verbs.Lock()
	defer p.verbs.Unlock()
	if state := p.currentState(); state != from {
		return fmt.Errorf("%s program %s: %w: it is %s, not %s", verb, p.spec.Name, ErrOutOfOrder, state, from)
	}
	err := do()
	if err != nil {
		err = fmt.Errorf("%s program %s: %w", verb, p.spec.Name, err)
		p.fail(err)
		return errors.Join(err, p.release(Failed))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == from { // the reader may already have failed
		p.state = to
	}
	return nil
}

func (p *Program) currentState() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *Program) setHooks(hooks []Hook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hooks = slices.Concat(hooks, p.refused)
}

func (p *Program) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state, p.reason = Failed, err
}

func (p *Program) log() *slog.Logger { return p.session.Log.With("program", p.spec.Name) }
