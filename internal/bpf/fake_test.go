package bpf_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
)

// fakeEvent is an event that says nothing beyond the contract.
type fakeEvent struct {
	bpf.BaseEvent
	kind string
}

func (e *fakeEvent) GetEventType() string { return e.kind }

// fakeTally is what a row became.
type fakeTally struct{ bpf.RowTally }

func (*fakeTally) GetEventType() string { return "tally" }

// journal is what fakes were asked to do, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(verb, name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, verb+" "+name)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// fakeProgram is a program whose events come from the test.
type fakeProgram struct {
	name    string
	fails   map[string]error // by verb
	journal *journal
	past    map[uint32][]bpf.BPFEvent

	mu      sync.Mutex // guards what follows and the sending side of events
	events  chan bpf.BPFEvent
	running bool
	ended   bool
	stats   bpf.Stats
}

var (
	_ bpf.BPFProgram = (*fakeProgram)(nil)
	_ bpf.Reporter   = (*fakeProgram)(nil)
)

// fakeBuffer is the room in a fake's event channel.
const fakeBuffer = 100

func newFake(name string) *fakeProgram {
	return &fakeProgram{
		name: name, fails: make(map[string]error), journal: &journal{}, events: make(chan bpf.BPFEvent, fakeBuffer),
	}
}

func (p *fakeProgram) GetName() string                         { return p.name }
func (p *fakeProgram) GetDescription() string                  { return "fake " + p.name }
func (p *fakeProgram) GetObjectPath() string                   { return "" }
func (p *fakeProgram) GetEventChannel() <-chan bpf.BPFEvent    { return p.events }
func (p *fakeProgram) GetAllEvents() map[uint32][]bpf.BPFEvent { return maps.Clone(p.past) }

// GetSummary returns a number that shows what it was asked.
func (p *fakeProgram) GetSummary(pid uint32, command string, durationSeconds int) int {
	return int(pid)*1000 + len(command)*100 + durationSeconds
}

func (p *fakeProgram) do(verb string) error {
	p.journal.note(verb, p.name)
	return p.fails[verb]
}

func (p *fakeProgram) Load() error   { return p.do("load") }
func (p *fakeProgram) Attach() error { return p.do("attach") }

func (p *fakeProgram) Start(context.Context) error {
	err := p.do("start")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = err == nil
	return err
}

func (p *fakeProgram) Stop() error {
	err := p.do("stop")
	p.end()
	return err
}

// end closes the event channel, as a reader does that ends.
func (p *fakeProgram) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		close(p.events)
	}
	p.ended, p.running = true, false
}

func (p *fakeProgram) IsRunning() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running
}

func (p *fakeProgram) Status() bpf.Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	status := bpf.Status{Name: p.name, Stats: p.stats}
	if p.running {
		status.State = bpf.Running
	}
	return status
}

// emit reports one event as a reader does: it never waits. It returns false once the program has ended.
func (p *fakeProgram) emit() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false
	}
	p.stats.Seen++
	event := &fakeEvent{bpf.BaseEvent{Timestamp: p.stats.Seen}, p.name}
	select {
	case p.events <- event:
		p.stats.Delivered++
	default:
		p.stats.Dropped++
	}
	return true
}

// manage registers fakes with a new manager and gives them one journal.
func manage(t testing.TB, fakes ...*fakeProgram) (*bpf.Manager, *journal) {
	t.Helper()
	manager, journal := bpf.NewManager(), &journal{}
	for _, fake := range fakes {
		fake.journal = journal
		if err := manager.RegisterProgram(fake); err != nil {
			t.Fatal(err)
		}
	}
	return manager, journal
}

// run loads, attaches and starts everything that a manager has and returns the errors joined.
func run(manager *bpf.Manager) error {
	return errors.Join(manager.LoadAll(), manager.AttachAll(), manager.StartAll())
}

// started manages fakes that cannot fail and starts them.
func started(t testing.TB, fakes ...*fakeProgram) *bpf.Manager {
	t.Helper()
	manager, _ := manage(t, fakes...)
	if err := run(manager); err != nil {
		t.Fatal(err)
	}
	return manager
}

// collected is what a consumer took from a manager's aggregated channel until it was closed.
type collected struct {
	done   chan struct{}
	events []bpf.BPFEvent
}

// collect consumes a manager's events until StopAll.
func collect(manager *bpf.Manager) *collected {
	c := &collected{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for event := range manager.GetAggregatedEvents() {
			c.events = append(c.events, event)
		}
	}()
	return c
}

// perType waits for the end and returns how many events came of each type.
func (c *collected) perType() map[string]int {
	<-c.done
	counts := make(map[string]int)
	for _, event := range c.events {
		counts[event.GetEventType()]++
	}
	return counts
}

// inOrder tells whether the events of each type came as they were reported, with none left out.
func (c *collected) inOrder() error {
	<-c.done
	last := make(map[string]uint64)
	for _, event := range c.events {
		kind := event.GetEventType()
		if last[kind]++; event.GetTimestamp() != last[kind] {
			return fmt.Errorf("event %d of %s came where %d was due", event.GetTimestamp(), kind, last[kind])
		}
	}
	return nil
}
