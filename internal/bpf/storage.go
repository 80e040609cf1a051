package bpf

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// The defaults of the storage: what fits in some 10 MB.
const (
	defaultRecords   = 10_000
	defaultRetention = time.Hour
)

// InMemoryStorage implements EventStorage, Covering, Following and Accounting: a bounded ring of records for each event type, and tallies in
// buckets of time, which stay exact when records have left.
type InMemoryStorage struct {
	records   int
	retention time.Duration
	now       func() time.Time
	began     time.Time

	mu      sync.RWMutex
	types   map[string]*shelf
	arrived uint64 // records so far
}

// shelf is what is kept of one event type.
type shelf struct {
	ring    []arrival // grows to the limit, then wraps
	next    int       // the place of the oldest record once the ring is full
	evicted uint64
	left    time.Time // the newest record that left early
	tallies *tallies
}

var (
	_ EventStorage = (*InMemoryStorage)(nil)
	_ Covering     = (*InMemoryStorage)(nil)
	_ Following    = (*InMemoryStorage)(nil)
	_ Accounting   = (*InMemoryStorage)(nil)
)

// StorageOption changes how a storage is built.
type StorageOption func(*InMemoryStorage)

// WithRecords bounds the records kept of each event type.
func WithRecords(n int) StorageOption {
	return func(s *InMemoryStorage) { s.records = max(n, 1) }
}

// WithRetention bounds the age of kept records. Tallies are kept for an hour in any case.
func WithRetention(d time.Duration) StorageOption {
	return func(s *InMemoryStorage) { s.retention = d }
}

// WithNow replaces the clock that ages are measured with.
func WithNow(now func() time.Time) StorageOption {
	return func(s *InMemoryStorage) { s.now = now }
}

// NewInMemoryStorage returns an empty storage.
func NewInMemoryStorage(options ...StorageOption) *InMemoryStorage {
	s := &InMemoryStorage{
		records:   defaultRecords,
		retention: defaultRetention,
		now:       time.Now,
		types:     make(map[string]*shelf),
	}
	for _, option := range options {
		option(s)
	}
	s.began = s.now()
	return s
}

// Store implements EventStorage.
func (s *InMemoryStorage) Store(event BPFEvent) error {
	if event == nil {
		return errors.New("store event: it is nil")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.types[event.GetEventType()]
	if kept == nil {
		kept = &shelf{tallies: newTallies()}
		s.types[event.GetEventType()] = kept
	}
	kept.count(s.now(), event)
	if DetailOf(event) == Counted {
		return nil
	}
	s.arrived++
	arrived := arrival{event, s.arrived}
	if len(kept.ring) < s.records {
		kept.ring = append(kept.ring, arrived)
		return nil
	}
	kept.replaceOldest(arrived, s.now().Add(-s.retention))
	return nil
}

// count adds what an event tallies.
func (k *shelf) count(now time.Time, event BPFEvent) {
	at := event.GetWallClockTime()
	if lacking, ok := event.(Lacking); ok {
		k.tallies.lack(now, at, lacking.Nameless(), lacking.Ownerless())
		return
	}
	o := occurrences{owner: owner{event.GetPID(), event.GetCommand()}, n: TallyOf(event)}
	if o.n == 0 {
		return
	}
	if spanning, ok := event.(Spanning); ok {
		o.span = at.Sub(spanning.Since())
	}
	if part, ok := event.(PerProcess); ok {
		o.processOnly = part.ProcessOnly()
	}
	k.tallies.add(now, at, o)
}

// replaceOldest puts an event in the place of the oldest one, which is evicted unless its retention had ended.
func (k *shelf) replaceOldest(event arrival, retained time.Time) {
	if t := k.ring[k.next].event.GetWallClockTime(); !t.Before(retained) {
		k.evicted++
		if t.After(k.left) {
			k.left = t
		}
	}
	k.ring[k.next] = event
	k.next = (k.next + 1) % len(k.ring)
}

// all yields the kept records in the order in which they came.
func (k *shelf) all(yield func(BPFEvent) bool) {
	for i := range k.ring {
		if !yield(k.ring[(k.next+i)%len(k.ring)].event) {
			return
		}
	}
}

// GetByPID implements EventStorage.
func (s *InMemoryStorage) GetByPID(pid uint32, since time.Time) ([]BPFEvent, error) {
	return s.query("", since, func(event BPFEvent) bool { return event.GetPID() == pid }), nil
}

// GetByCommand implements EventStorage.
func (s *InMemoryStorage) GetByCommand(command string, since time.Time) ([]BPFEvent, error) {
	matches := commandMatcher(command)
	return s.query("", since, func(event BPFEvent) bool { return matches(event.GetCommand()) }), nil
}

// GetByType implements EventStorage.
func (s *InMemoryStorage) GetByType(eventType string, since time.Time) ([]BPFEvent, error) {
	return s.query(eventType, since, func(BPFEvent) bool { return true }), nil
}

// query returns the kept records of a type ("" for all) that match and are neither older than since nor than the
// retention, oldest first.
func (s *InMemoryStorage) query(eventType string, since time.Time, match func(BPFEvent) bool) []BPFEvent {
	if oldest := s.now().Add(-s.retention); since.Before(oldest) {
		since = oldest
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []BPFEvent
	for name, kept := range s.types {
		if eventType != "" && name != eventType {
			continue
		}
		for event := range kept.all {
			if !event.GetWallClockTime().Before(since) && match(event) {
				found = append(found, event)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b BPFEvent) int {
		return cmp.Or(cmp.Compare(a.GetTimestamp(), b.GetTimestamp()), cmp.Compare(a.GetEventType(), b.GetEventType()))
	})
	return found
}

// Count implements EventStorage. Accuracy says how exact it is.
func (s *InMemoryStorage) Count(pid uint32, command, eventType string, since time.Time) int {
	matches := commandMatcher(command)
	now := s.now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	var total uint64
	for name, kept := range s.types {
		if eventType == "" || name == eventType {
			n, _ := kept.tallies.sum(now, since, pid, matches)
			total += n
		}
	}
	return int(min(total, math.MaxInt))
}

// Accuracy implements Accounting. Sums are exact to the buckets they are kept in, a second for windows of up to two
// minutes and ten seconds for longer ones, and to the time over which tallies were counted. A bucket tells 256 commands
// and 256 processes apart.
func (s *InMemoryStorage) Accuracy(pid uint32, eventType string, since time.Time) Accuracy {
	now := s.now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, worst := newTallies().sum(now, since, pid, nil)
	for name, kept := range s.types {
		if eventType == "" || name == eventType {
			_, a := kept.tallies.sum(now, since, pid, func(string) bool { return false })
			worst.Resolution = max(worst.Resolution, a.Resolution)
			worst.Unattributed += a.Unattributed
		}
	}
	if worst.Since.Before(s.began) {
		worst.Since = s.began
	}
	return worst
}

// Coverage implements Covering.
func (s *InMemoryStorage) Coverage(eventType string) Coverage {
	s.mu.RLock()
	defer s.mu.RUnlock()
	covers := Coverage{Since: s.now().Add(-s.retention)}
	for name, kept := range s.types {
		if eventType != "" && name != eventType {
			continue
		}
		covers.Evicted += kept.evicted
		if kept.evicted > 0 && !kept.left.Before(covers.Since) {
			covers.Since = kept.left.Add(time.Nanosecond)
		}
	}
	return covers
}

// commandMatcher matches a case-insensitive part of a command name; "" matches all.
func commandMatcher(part string) func(string) bool {
	part = strings.ToLower(part)
	return func(command string) bool {
		return part == "" || strings.Contains(strings.ToLower(command), part)
	}
}
