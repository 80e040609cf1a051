package export

import (
	"runtime"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// sized is an event as large as those of the programs, which are of 160 and 168 bytes.
type sized struct {
	bpf.BaseEvent
	_ [168 - 80]byte
}

func (*sized) GetEventType() string                                       { return "sized" }
func (*sized) EventName() string                                          { return "sized" }
func (*sized) Severity() telemetry.Severity                               { return telemetry.Info }
func (*sized) Body() string                                               { return "" }
func (*sized) Attributes(dst []telemetry.Attribute) []telemetry.Attribute { return dst }

// heap is what is allocated and in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // the first one moves what pools hold to their victims
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkFullQueue is the memory of a full queue of the default size: for itself, and with the events that nothing
// else keeps alive.
func BenchmarkFullQueue(b *testing.B) {
	for b.Loop() {
		exporter, release := stall()
		p := start(b, Options{}, toFake(exporter))
		before := heap()
		events := make([]*sized, defaultQueueSize)
		for i := range events {
			events[i] = &sized{BaseEvent: bpf.BaseEvent{Timestamp: uint64(i)}}
		}
		alive := heap()
		for _, e := range events {
			p.Handle(e)
		}
		full := heap()
		b.ReportMetric(float64(full-alive)/(1<<20), "MiB/queue")
		slice := uint64(8 * len(events))
		b.ReportMetric(float64(full-before-slice)/(1<<20), "MiB/queue+events")
		runtime.KeepAlive(events)
		if status := p.Status()[0].Logs; status.Queued != defaultQueueSize {
			b.Errorf("the queue is not full: %+v", status)
		}
		release()
		if err := p.Shutdown(b.Context()); err != nil {
			b.Error(err)
		}
	}
}
