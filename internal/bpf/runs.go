package bpf

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/cilium/ebpf"
)

// The maps in which programs keep the rows that each CPU is counting in: that of its last event, see bpf/include/run.h, or
// one of each kind with what it measures, see bpf/include/row_cache.h.
const (
	runsMap     = "runs"
	rowCacheMap = "row_cache"
)

// What a run has counted and is drained lies before and behind what became of all its events.
const (
	runOutcomes = unsafe.Offsetof(wireRunHead{}.Throttled)
	runSlot     = unsafe.Offsetof(wireRunHead{}.Slot)
)

// runs are the rows that the kernel keeps at hand: some for each CPU, in each half of the ledger.
type runs struct {
	m     *ebpf.Map
	value reflect.Type // an array of bytes for each CPU
	each  uint32       // of a CPU and half
	head  uintptr      // bytes before the row
	take  func(where *pendingTallies, run []byte)
}

// newRuns returns nil for programs that keep no row at hand.
func newRuns(c *ebpf.Collection) *runs {
	r := &runs{m: c.Maps[runsMap], head: unsafe.Sizeof(wireRunHead{}), take: takeRun}
	if r.m == nil {
		r.m, r.head, r.take = c.Maps[rowCacheMap], unsafe.Sizeof(wireCachedHead{}), takeCached
	}
	if r.m == nil {
		return nil
	}
	r.value = reflect.SliceOf(reflect.ArrayOf(int(r.m.ValueSize()), reflect.TypeFor[byte]()))
	r.each = r.m.MaxEntries() / 2
	return r
}

func takeRun(where *pendingTallies, run []byte) {
	where.addRow(run[unsafe.Sizeof(wireRunHead{}):], []wireTally{head[wireRunHead](run).Tally})
}

func takeCached(where *pendingTallies, run []byte) {
	cached, row := head[wireCachedHead](run), run[unsafe.Sizeof(wireCachedHead{}):]
	where.addRow(row, []wireTally{cached.Run.Tally})
	where.addMeasures(row, []wireMeasures{cached.Measures})
	if cached.Charged > 0 {
		where.addCharge(wireProcessRow{PID: cached.PID, Command: rowOwner(row).Command}, cached.Charged)
	}
}

// read returns an entry of the map by CPU. To change them changes perCPU, which is what the map takes.
func (r *runs) read(key uint32) (perCPU any, each [][]byte, err error) {
	all := reflect.New(r.value)
	if err := r.m.Lookup(key, all.Interface()); err != nil {
		return nil, nil, fmt.Errorf("read runs: %w", err)
	}
	for i := range all.Elem().Len() {
		each = append(each, all.Elem().Index(i).Slice(0, int(r.m.ValueSize())).Bytes())
	}
	return all.Elem().Interface(), each, nil
}

// drain hands out the rows of a half that is at rest, and empties it but for the outcomes, which only grow.
func (r *runs) drain(half uint32, where *pendingTallies) error {
	for key := half * r.each; key < (half+1)*r.each; key++ {
		perCPU, each, err := r.read(key)
		if err != nil {
			return err
		}
		found := false
		for _, run := range each {
			if head[wireTally](run).Count > 0 {
				found = true
				r.take(where, run)
			}
			clear(run[:runOutcomes])
			clear(run[runSlot:])
		}
		if !found {
			continue
		}
		if err := r.m.Put(key, perCPU); err != nil {
			return fmt.Errorf("empty runs: %w", err)
		}
	}
	return nil
}

// addOutcomes adds what became of the events of both halves.
func (r *runs) addOutcomes(to *wireOutcomes) error {
	for key := range r.m.MaxEntries() {
		_, each, err := r.read(key)
		if err != nil {
			return err
		}
		for _, run := range each {
			became := head[wireRunHead](run)
			to.Throttled += became.Throttled
			to.Counted += became.Counted
		}
	}
	return nil
}
