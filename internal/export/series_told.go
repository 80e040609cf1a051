package export

import (
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// toldFamilies are the metrics whose values somebody else counts.
type toldFamilies struct {
	mu        sync.Mutex
	observers []observer
	known     map[*telemetry.Metric]*family
	round     uint64
}

// observe asks the observers. Whoever collects calls it first and holds the lock of t.told until it is done: what was
// observed is told by that collection.
func (t *seriesTable) observe() {
	t.told.round++
	for _, observer := range t.told.observers {
		observer(func(m *telemetry.Metric, value uint64, labels ...telemetry.Label) {
			if f := t.toldFamily(m); f != nil {
				f.tell(telemetry.LabelSet(labels...), int64(value), t.told.round, t.began)
			}
		})
	}
}

// toldFamily returns the metric's series, nil if there is another of its name. The caller holds the lock of t.told.
func (t *seriesTable) toldFamily(m *telemetry.Metric) *family {
	f, known := t.told.known[m]
	if !known {
		var err error
		if f, err = t.newFamily(m, true); err != nil {
			t.log.Warn("metric is left out", "metric", m.Name, "error", err)
		}
		t.told.known[m] = f
	}
	return f
}

// tell enters the value of a series that somebody else counts, since began. Such a series never leaves: it would come
// back with all that it ever counted. One that finds no place is left out; there are a few dozen of them at most.
func (f *family) tell(labels telemetry.Labels, value int64, round uint64, began time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.round = round
	clean := cleanLabels(&labels)
	hash := hashLabels(f.seed, &clean)
	s := f.find(&clean, hash)
	if s == nil {
		if f.full() {
			f.overflowed++
			return
		}
		s = f.enlist(attributeSet(&clean), clean, hash, began)
	}
	s.total.value, s.turn = value, round
}

// enlist begins a series that has labels.
func (f *family) enlist(set attribute.Set, labels telemetry.Labels, hash uint64, start time.Time) *series {
	s := f.begin(set, hash, start)
	s.labels = labels
	s.chained = f.byHash[hash]
	f.byHash[hash] = s
	return s
}
