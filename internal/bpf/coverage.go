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

// Accuracy says how exact a sum of tallies is.
type Accuracy struct {
	// Since is from when on the sum really counts: at most Resolution before what was asked for, and later where nothing
	// was counted so long ago.
	Since time.Time
	// Resolution is how far from its real moment something may be counted.
	Resolution time.Duration
	// Unattributed is how many occurrences of the window are counted without their command, or without their process
	// where one was asked for, because there was no room for one more: at most so much the sum is too low.
	Unattributed uint64
}

// Accounting is a storage that says how exact its sums are.
type Accounting interface {
	// Accuracy answers for what Count would answer.
	Accuracy(pid uint32, eventType string, since time.Time) Accuracy
}
