package export

import (
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
)

// pending is an event whose log record is yet to be made. Events do not change once they are handed out, so holding
// one is as good as holding its record, at a fiftieth of the memory: the storage mostly keeps it alive anyway.
type pending struct {
	event bpf.Described
	// observed is when the event reached the pipeline, in nanoseconds of Unix time.
	observed int64
}

// logAdapter hands the events that are to be exported to the queues. It makes nothing of them: that is up to the
// exporting goroutines, so that the dispatcher has time for what only it can do.
type logAdapter struct {
	queues []*queue
	now    func() time.Time
}

// handle queues the event for every destination.
func (a *logAdapter) handle(event bpf.BPFEvent) {
	described, ok := event.(bpf.Described)
	if !ok || len(a.queues) == 0 || bpf.DetailOf(event) != bpf.Exported {
		return
	}
	p := pending{event: described, observed: a.now().UnixNano()}
	for _, q := range a.queues {
		q.add(p)
	}
}
