package export

import (
	"hash/maphash"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// maxSeries is the most series that a metric has, with the one that otel.metric.overflow marks, in which everything
// counts that finds the others taken.
const maxSeries = 2000

// overflowKey marks the series of what found no place (specification, "Cardinality limits").
const overflowKey = attribute.Key("otel.metric.overflow")

// series is one series of a metric, cumulative since its start.
type series struct {
	labels telemetry.Labels
	set    attribute.Set
	hash   uint64
	start  time.Time
	total  total
	told   []total // of total, what was delivered to each delta reader, by the number of its producer

	added    time.Time // when something was last added to it
	turn     uint64    // which of the family's additions that was, or of its observations
	position int       // in the family's list
	chained  *series   // another one with the same hash
	older    *series   // added to before it, among those that may leave
	newer    *series
	listed   bool // among those that may leave
}

// total is what a series holds: a sum or a last value, or the distribution of a histogram.
type total struct {
	value        int64
	distribution *telemetry.Distribution
}

// family is one metric with its series.
type family struct {
	metric  *telemetry.Metric
	seed    maphash.Seed
	readers int   // how many there are
	awaited []int // those that a series waits for before it leaves
	told    bool  // somebody else counts its values

	mu         sync.Mutex
	byHash     map[uint64]*series
	list       []*series
	overflow   *series
	round      uint64   // of the last observation, if it is told
	overflowed uint64   // measurements
	turns      uint64   // additions
	reported   []uint64 // the additions that were delivered to each reader
	recent     recency
	left       [leftPlaces]time.Time
}

func newFamily(m *telemetry.Metric, readers int, awaited []int) *family {
	return &family{
		metric:   m,
		seed:     maphash.MakeSeed(),
		readers:  readers,
		awaited:  awaited,
		byHash:   make(map[uint64]*series),
		reported: make([]uint64, readers),
	}
}

// add adds a measurement of the event.
func (f *family) add(m *telemetry.Measurement, event bpf.BPFEvent, now time.Time) {
	if f.metric.Kind == telemetry.Histogram && m.Distribution == nil {
		return // nothing to add
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.of(&m.Labels, event, now)
	switch f.metric.Kind {
	case telemetry.Histogram:
		s.total.distribution.Add(m.Distribution)
	case telemetry.Gauge:
		s.total.value = int64(m.Value)
	default:
		s.total.value += int64(m.Value)
	}
	if s == f.overflow {
		f.overflowed++
	}
	f.touch(s, now)
}

// of returns the series of the labels: the one there is, a new one, or the overflow.
func (f *family) of(labels *telemetry.Labels, event bpf.BPFEvent, now time.Time) *series {
	hash := hashLabels(f.seed, labels)
	if s := f.find(labels, hash); s != nil {
		return s
	}
	clean := cleanLabels(labels)
	if clean != *labels {
		hash = hashLabels(f.seed, &clean)
		if s := f.find(&clean, hash); s != nil {
			return s
		}
	}
	if f.full() {
		f.leave(now)
	}
	if !f.full() {
		return f.enlist(attributeSet(&clean), clean, hash, startOf(event))
	}
	if f.overflow == nil {
		f.overflow = f.begin(attribute.NewSet(overflowKey.Bool(true)), 0, startOf(event))
	}
	return f.overflow
}

func (f *family) find(labels *telemetry.Labels, hash uint64) *series {
	for s := f.byHash[hash]; s != nil; s = s.chained {
		if sameLabels(&s.labels, labels) {
			return s
		}
	}
	return nil
}

// full tells whether all series but the overflow are taken.
func (f *family) full() bool {
	named := len(f.list)
	if f.overflow != nil {
		named--
	}
	return named >= maxSeries-1
}

// begin begins a series at start, but never before a series of the same name left, which has reported until then.
func (f *family) begin(set attribute.Set, hash uint64, start time.Time) *series {
	s := &series{set: set, hash: hash, start: start, told: make([]total, f.readers), position: len(f.list)}
	if left := f.left[hash%leftPlaces]; left.After(s.start) {
		s.start = left
	}
	if f.metric.Kind == telemetry.Histogram {
		s.total.distribution = new(telemetry.Distribution)
	}
	f.list = append(f.list, s)
	return s
}

// startOf returns the time from which on an event counts.
func startOf(event bpf.BPFEvent) time.Time {
	if spanning, ok := event.(bpf.Spanning); ok {
		return spanning.Since()
	}
	return event.GetWallClockTime()
}

// size returns how many series the metric has and how many measurements found no place among them.
func (f *family) size() (series int, overflowed uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.list), f.overflowed
}
