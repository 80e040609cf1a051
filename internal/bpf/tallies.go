package bpf

import "time"

const (
	fineBuckets   = 120 // of a second each
	coarseBuckets = 360 // of ten seconds each: an hour
	coarseWidth   = 10
	// maxOwners bounds the rows of one bucket, and with it all of them to some 10 MB an event type; what comes on top is
	// counted without an owner.
	maxOwners = 256
)

// owner is whose occurrences a tally counts.
type owner struct {
	pid     uint32
	command string
}

// bucket counts the occurrences of one stretch of time.
type bucket struct {
	number int64 // Unix time divided by the width
	counts map[owner]uint64
}

// tallies sums occurrences over the last hour in bounded memory: buckets of a second for two minutes, and beside them
// buckets of ten seconds for the hour, so that a sum uses one resolution from end to end.
type tallies struct {
	fine   [fineBuckets]bucket
	coarse [coarseBuckets]bucket
}

func newTallies() *tallies { return &tallies{} }

// add counts n occurrences at a moment; now is the clock of this host, which may have been stepped since.
func (t *tallies) add(now, at time.Time, pid uint32, command string, n uint64) {
	if at.After(now) {
		at = now
	}
	second := max(at.Unix(), 0) // before 1970: no clock of this host said so
	who := owner{pid, command}
	addTo(t.fine[:], now.Unix(), second, who, n)
	addTo(t.coarse[:], now.Unix()/coarseWidth, second/coarseWidth, who, n)
}

// addTo counts in the bucket of that number. A bucket that a newer stretch of time has taken over is out of reach; one
// that lies ahead of now is left from before the clock was stepped back.
func addTo(buckets []bucket, now, number int64, who owner, n uint64) {
	b := &buckets[int(number%int64(len(buckets)))]
	if number < b.number && b.number <= now {
		return
	}
	if number != b.number || b.counts == nil {
		b.number = number
		b.counts = make(map[owner]uint64)
	}
	if _, known := b.counts[who]; !known && len(b.counts) >= maxOwners {
		who = owner{}
	}
	b.counts[who] += n
}

// sum adds what matches from since until now, at the finest resolution that reaches back so far.
func (t *tallies) sum(now, since time.Time, match func(owner) bool) uint64 {
	buckets, first, last := t.coarse[:], since.Unix()/coarseWidth, now.Unix()/coarseWidth
	if now.Unix()-since.Unix() < fineBuckets {
		buckets, first, last = t.fine[:], since.Unix(), now.Unix()
	}
	first = max(first, last-int64(len(buckets))+1)
	var total uint64
	for _, b := range buckets {
		if b.number < first || b.number > last || b.counts == nil {
			continue
		}
		for who, n := range b.counts {
			if match(who) {
				total += n
			}
		}
	}
	return total
}
