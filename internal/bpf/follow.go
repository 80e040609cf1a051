package bpf

import (
	"cmp"
	"slices"
)

// Following is a storage whose records can be read in the order in which they came.
type Following interface {
	// Follow returns the first records that came after the one with that number, limit of them at most, and where to go
	// on. A number that no record has yet is one of an earlier storage: then it begins with the first.
	Follow(after uint64, limit int) ([]BPFEvent, Position)
	// Newest returns the number of the record that came last, 0 if none has.
	Newest() uint64
}

// Position is how far a follower has come.
type Position struct {
	// Next is the number to go on after.
	Next uint64
	// Missed is how many records had left the storage before they were read.
	Missed uint64
	// More tells that there are records after Next already.
	More bool
}

// arrival is a record and how many had come when it had.
type arrival struct {
	event  BPFEvent
	number uint64
}

// Newest implements Following.
func (s *InMemoryStorage) Newest() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.arrived
}

// Follow implements Following. It looks at what came after the number, and at nothing older.
func (s *InMemoryStorage) Follow(after uint64, limit int) ([]BPFEvent, Position) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if after > s.arrived {
		after = 0
	}
	var found []arrival
	for _, kept := range s.types {
		found = append(found, kept.newerThan(after)...)
	}
	slices.SortFunc(found, func(a, b arrival) int { return cmp.Compare(a.number, b.number) })
	at := Position{Next: s.arrived}
	if len(found) > limit {
		found = found[:limit]
		at = Position{Next: found[limit-1].number, More: true}
	}
	at.Missed = at.Next - after - uint64(len(found))
	events := make([]BPFEvent, len(found))
	for i, a := range found {
		events[i] = a.event
	}
	return events, at
}

// newerThan returns the records that came after the one with that number.
func (k *shelf) newerThan(number uint64) []arrival {
	var found []arrival
	for i := range k.ring {
		a := k.ring[(k.next+len(k.ring)-1-i)%len(k.ring)]
		if a.number <= number {
			break
		}
		found = append(found, a)
	}
	return found
}
