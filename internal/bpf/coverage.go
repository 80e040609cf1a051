package bpf

import "time"

// Coverage says how much of the past a storage can still tell.
type Coverage struct {
	// Since is the moment from which on every kept record is still there.
	Since time.Time
	// Evicted counts the records that left before the retention ended, because newer ones needed the room.
	Evicted uint64
}

// Covering is a storage that says how complete its answers are.
type Covering interface {
	// Coverage answers for one event type; "" asks for the least complete of all.
	Coverage(eventType string) Coverage
}
