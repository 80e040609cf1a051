package bpf

import "time"

const (
	fineBuckets   = 120 // of a second each
	coarseBuckets = 360 // of ten seconds each: an hour
	fineWidth     = 1
	coarseWidth   = 10
	// maxOwners bounds the commands, and the processes, of one bucket, and with it all of them to some 12 MB an event
	// type; what comes on top is counted without an owner.
	maxOwners = 256
)

// owner is the process whose occurrences are counted.
type owner struct {
	pid     uint32
	command string
}

// bucket counts the occurrences of one stretch of time: all of them by command, and those of known processes by process.
type bucket struct {
	number    int64 // Unix time divided by the width
	commands  map[string]uint64
	processes map[owner]uint64
	// nameless and ownerless are how many of the occurrences are not counted for their command or for their process.
	nameless, ownerless uint64
	// span is the longest time over which something that counts here may have happened.
	span time.Duration
}

// occurrences are what is to be counted: n of one owner, at a moment or within a span that ended then.
type occurrences struct {
	owner
	n    uint64
	span time.Duration
	// processOnly says that the sum over all commands has them already.
	processOnly bool
}

// tallies sums occurrences over the last hour in bounded memory: buckets of a second for two minutes, and beside them
// buckets of ten seconds for the hour, so that a sum uses one resolution from end to end.
type tallies struct {
	fine   [fineBuckets]bucket
	coarse [coarseBuckets]bucket
}

func newTallies() *tallies { return &tallies{} }

// add counts occurrences at a moment; now is the clock of this host, which may have been stepped since.
func (t *tallies) add(now, at time.Time, o occurrences) {
	if b := t.at(now, at, t.fine[:], fineWidth); b != nil {
		b.add(o)
	}
	if b := t.at(now, at, t.coarse[:], coarseWidth); b != nil {
		b.add(o)
	}
}

// lack counts occurrences that were counted without their command or without their process.
func (t *tallies) lack(now, at time.Time, nameless, ownerless uint64) {
	for _, b := range []*bucket{t.at(now, at, t.fine[:], fineWidth), t.at(now, at, t.coarse[:], coarseWidth)} {
		if b != nil {
			b.nameless += nameless
			b.ownerless += ownerless
		}
	}
}

// at returns the bucket of a moment, emptied if it was that of an older one. A bucket that a newer stretch of time has
// taken over is out of reach; one that lies ahead of now is left from before the clock was stepped back.
func (t *tallies) at(now, at time.Time, buckets []bucket, width int64) *bucket {
	if at.After(now) {
		at = now
	}
	number := max(at.Unix(), 0) / width // before 1970: no clock of this host said so
	b := &buckets[int(number%int64(len(buckets)))]
	if number < b.number && b.number <= now.Unix()/width {
		return nil
	}
	if number != b.number || b.commands == nil {
		*b = bucket{number: number, commands: make(map[string]uint64), processes: make(map[owner]uint64)}
	}
	return b
}

func (b *bucket) add(o occurrences) {
	b.span = max(b.span, o.span)
	if !o.processOnly {
		if command, fits := fitting(b.commands, o.command); fits {
			b.commands[command] += o.n
		} else {
			b.commands[""] += o.n
			b.nameless += o.n
		}
	}
	if o.pid == 0 {
		return
	}
	if who, fits := fitting(b.processes, o.owner); fits {
		b.processes[who] += o.n
	} else {
		b.ownerless += o.n
	}
}

// fitting tells whether there is room for a key.
func fitting[K comparable](counts map[K]uint64, key K) (K, bool) {
	_, known := counts[key]
	return key, known || len(counts) < maxOwners
}

// sum is how many occurrences of a command, or of a process where pid is not 0, there were from since until now, at the
// finest resolution that reaches back so far, and how exact that is.
func (t *tallies) sum(now, since time.Time, pid uint32, matches func(command string) bool) (total uint64, a Accuracy) {
	buckets, width := t.coarse[:], int64(coarseWidth)
	if now.Unix()-since.Unix() < fineBuckets {
		buckets, width = t.fine[:], fineWidth
	}
	last := now.Unix() / width
	first := max(since.Unix()/width, last-int64(len(buckets))+1)
	a.Since, a.Resolution = time.Unix(first*width, 0).UTC(), time.Duration(width)*time.Second
	var span time.Duration
	for i := range buckets {
		b := &buckets[i]
		if b.number < first || b.number > last || b.commands == nil {
			continue
		}
		span = max(span, b.span)
		if pid == 0 {
			a.Unattributed += b.nameless
			for command, n := range b.commands {
				if matches(command) {
					total += n
				}
			}
			continue
		}
		a.Unattributed += b.ownerless
		for who, n := range b.processes {
			if who.pid == pid && matches(who.command) {
				total += n
			}
		}
	}
	a.Resolution += span
	return total, a
}
