package export

import (
	"context"
	"sync"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
)

// source is a program whose events come as fast as they are taken.
type source struct {
	bpf.BPFProgram
	events chan bpf.BPFEvent
	feed   func(chan<- bpf.BPFEvent)
	fed    sync.WaitGroup
}

func (*source) GetName() string                        { return "source" }
func (*source) GetDescription() string                 { return "events as fast as they are taken" }
func (*source) Load() error                            { return nil }
func (*source) Attach() error                          { return nil }
func (*source) IsRunning() bool                        { return true }
func (s *source) GetEventChannel() <-chan bpf.BPFEvent { return s.events }

func (s *source) Start(context.Context) error {
	s.fed.Go(func() {
		defer close(s.events)
		s.feed(s.events)
	})
	return nil
}

func (s *source) Stop() error {
	s.fed.Wait()
	return nil
}

// BenchmarkChain is the way of an event from its program's channel through the manager and the dispatcher into the
// storage, a log record and two metrics, with an exporter that takes everything at once. The time ends when the last
// record is exported.
func BenchmarkChain(b *testing.B) {
	event := benchEvent()
	p := start(b, Options{QueueSize: 1 << 22}, toFake(&discard{}))
	storage := bpf.NewInMemoryStorage()
	manager := bpf.NewManager()
	program := &source{events: make(chan bpf.BPFEvent, 8192), feed: func(events chan<- bpf.BPFEvent) {
		for range b.N {
			events <- event
		}
	}}
	if err := manager.RegisterProgram(program); err != nil {
		b.Fatal(err)
	}
	var dispatcher sync.WaitGroup
	handled := 0
	b.ReportAllocs()
	b.ResetTimer()
	dispatcher.Go(func() {
		for event := range manager.GetAggregatedEvents() {
			if err := storage.Store(event); err != nil {
				b.Error(err)
			}
			p.Handle(event)
			handled++
		}
	})
	for _, step := range []func() error{manager.LoadAll, manager.AttachAll, manager.StartAll} {
		if err := step(); err != nil {
			b.Fatal(err)
		}
	}
	program.fed.Wait()
	if err := manager.StopAll(); err != nil {
		b.Fatal(err)
	}
	dispatcher.Wait()
	if err := p.Shutdown(b.Context()); err != nil {
		b.Error(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(handled)/b.Elapsed().Seconds(), "events/s")
	if handled != b.N || len(p.Status()[0].Logs.Dropped) > 0 {
		b.Errorf("%d of %d events arrived, dropped: %v", handled, b.N, p.Status()[0].Logs.Dropped)
	}
}
