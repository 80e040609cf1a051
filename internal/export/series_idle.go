package export

import (
	"time"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// seriesIdle is how long nothing is added to a series before it leaves.
const seriesIdle = 10 * time.Minute

// leftPlaces bounds what is remembered of series that left: the time, by their hash. Series that share a place may
// begin a little later than they could, and none begins too early.
const leftPlaces = 256

// recency lists series by when they were last added to.
type recency struct{ newest, oldest *series }

func (r *recency) push(s *series) {
	s.older, s.newer, s.listed = r.newest, nil, true
	if r.newest != nil {
		r.newest.newer = s
	} else {
		r.oldest = s
	}
	r.newest = s
}

func (r *recency) remove(s *series) {
	if !s.listed {
		return
	}
	if s.newer != nil {
		s.newer.older = s.older
	} else {
		r.newest = s.older
	}
	if s.older != nil {
		s.older.newer = s.newer
	} else {
		r.oldest = s.newer
	}
	s.older, s.newer, s.listed = nil, nil, false
}

// touch enters that something was added to the series. One of an up-down counter may leave at zero only: what it
// holds would otherwise be missing when it comes back to fall.
func (f *family) touch(s *series, now time.Time) {
	f.turns++
	s.added, s.turn = now, f.turns
	if f.metric.Kind == telemetry.UpDownCounter && s.total.value != 0 {
		f.recent.remove(s)
		return
	}
	if f.recent.newest != s {
		f.recent.remove(s)
		f.recent.push(s)
	}
}

// leave lets the idle series go. The longest idle one stands for the rest: if what was added to it was not
// delivered to a reader, nothing was of those that were added to later.
func (f *family) leave(now time.Time) {
	for s := f.recent.oldest; s != nil && f.mayLeave(s, now); s = f.recent.oldest {
		f.remove(s)
		f.left[s.hash%leftPlaces] = now
	}
}

// mayLeave tells whether the series is idle and it was delivered to every reader that will come.
func (f *family) mayLeave(s *series, now time.Time) bool {
	if now.Sub(s.added) < seriesIdle {
		return false
	}
	for _, reader := range f.awaited {
		if f.reported[reader] < s.turn {
			return false
		}
	}
	return true
}

// remove forgets the series.
func (f *family) remove(s *series) {
	f.recent.remove(s)
	last := f.list[len(f.list)-1]
	f.list[s.position], last.position = last, s.position
	f.list[len(f.list)-1] = nil
	f.list = f.list[:len(f.list)-1]
	if s == f.overflow {
		f.overflow = nil
		return
	}
	if first := f.byHash[s.hash]; first != s {
		for first.chained != s {
			first = first.chained
		}
		first.chained = s.chained
	} else if s.chained != nil {
		f.byHash[s.hash] = s.chained
	} else {
		delete(f.byHash, s.hash)
	}
}
