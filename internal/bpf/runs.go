package bpf

import (
	"slices"
	"unsafe"

	"github.com/cilium/ebpf"
)

// The maps in which programs keep the rows that each CPU is counting in: that of its last event, see bpf/include/run.h, or
// one of each kind, and what it measures, see bpf/include/row_cache.h.
const (
	runsMap          = "runs"
	rowCacheMap      = "row_cache"
	measuresCacheMap = "measures_cache"
	rowsAreKept      = "rows_are_kept" // whether there are more of the latter than the one that a map has at least
)

// What a run has counted and is drained lies before and behind what became of all its events.
const (
	runOutcomes = unsafe.Offsetof(wireRunHead{}.Throttled)
	runSlot     = unsafe.Offsetof(wireRunHead{}.Slot)
)

// runs are the rows that the kernel keeps at hand: some for each CPU, in each half of the ledger.
type runs struct {
	rows     *cpuArray
	measures *cpuArray // nil where a program measures nothing: then its rows have no more than a wireRunHead
	each     uint32    // of a CPU and half
}

// newRuns returns nil for programs that keep no row at hand.
func newRuns(c *ebpf.Collection) *runs {
	r := &runs{rows: newCPUArray(c.Maps[runsMap])}
	if r.rows == nil {
		r.rows, r.measures = newCPUArray(c.Maps[rowCacheMap]), newCPUArray(c.Maps[measuresCacheMap])
	}
	if r.rows == nil || r.rows.m.MaxEntries() == 1 { // none are kept
		return nil
	}
	r.each = r.rows.m.MaxEntries() / 2
	return r
}

// drain hands out the rows of a half that is at rest, and empties it but for the outcomes, which only grow. Nothing is handed
// out that has not left the kernel, where it would be counted again, and what has left it always is.
func (r *runs) drain(half uint32, where *pendingTallies) error {
	for key := half * r.each; key < (half+1)*r.each; key++ {
		values, rows, err := r.rows.read(key)
		if err != nil {
			return err
		}
		counted := counting(rows)
		if counted == nil {
			continue
		}
		if r.measures != nil {
			if err := r.drainMeasures(key, counted, where); err != nil {
				return err
			}
		}
		for _, row := range rows {
			clear(row[:runOutcomes])
			clear(row[runSlot:])
		}
		if err := r.rows.put(key, values); err != nil {
			return err
		}
		for _, row := range counted {
			r.take(row, where)
		}
	}
	return nil
}

// counting returns copies of the rows that have counted something, by CPU.
func counting(rows [][]byte) map[int][]byte {
	var counted map[int][]byte
	for cpu, row := range rows {
		if head[wireTally](row).Count == 0 {
			continue
		}
		if counted == nil {
			counted = make(map[int][]byte)
		}
		counted[cpu] = slices.Clone(row)
	}
	return counted
}

func (r *runs) take(row []byte, where *pendingTallies) {
	where.addRow(r.key(row), []wireTally{head[wireTally](row)})
	if r.measures == nil {
		return
	}
	if cached := head[wireCachedHead](row); cached.Charged > 0 {
		where.addCharge(wireProcessRow{PID: cached.PID, Command: rowOwner(r.key(row)).Command}, cached.Charged)
	}
}

// key is the row itself.
func (r *runs) key(row []byte) []byte {
	if r.measures != nil {
		return row[unsafe.Sizeof(wireCachedHead{}):]
	}
	return row[unsafe.Sizeof(wireRunHead{}):]
}

// drainMeasures does the same with what rows have measured that have counted something: others have measured nothing.
func (r *runs) drainMeasures(key uint32, counted map[int][]byte, where *pendingTallies) error {
	values, each, err := r.measures.read(key)
	if err != nil {
		return err
	}
	measured := make(map[int]wireMeasures)
	for cpu := range counted {
		measured[cpu] = head[wireMeasures](each[cpu])
		clear(each[cpu])
	}
	if err := r.measures.put(key, values); err != nil {
		return err
	}
	for cpu, row := range counted {
		where.addMeasures(r.key(row), []wireMeasures{measured[cpu]})
	}
	return nil
}

// addOutcomes adds what became of the events of both halves.
func (r *runs) addOutcomes(to *wireOutcomes) error {
	for key := range r.rows.m.MaxEntries() {
		_, rows, err := r.rows.read(key)
		if err != nil {
			return err
		}
		for _, row := range rows {
			became := head[wireRunHead](row)
			to.Throttled += became.Throttled
			to.Counted += became.Counted
		}
	}
	return nil
}
