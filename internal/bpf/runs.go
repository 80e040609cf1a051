package bpf

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/cilium/ebpf"
)

// runsMap is where programs keep the row of each CPU's last event at hand: see bpf/include/run.h.
const runsMap = "runs"

// Where a run has what only grows, and its row.
const (
	runOutcomes = unsafe.Offsetof(wireRunHead{}.Throttled)
	runCounted  = unsafe.Offsetof(wireRunHead{}.Counted)
	runRow      = unsafe.Sizeof(wireRunHead{})
)

// runs are the rows that the kernel keeps at hand, two for each CPU: one in each half of the ledger.
type runs struct {
	m     *ebpf.Map
	value reflect.Type // an array of bytes for each CPU
}

// newRuns returns nil for programs that keep no row at hand.
func newRuns(m *ebpf.Map) *runs {
	if m == nil {
		return nil
	}
	return &runs{m, reflect.SliceOf(reflect.ArrayOf(int(m.ValueSize()), reflect.TypeFor[byte]()))}
}

// read returns the runs of a half, by CPU. To change them changes perCPU, which is what the map takes.
func (r *runs) read(half uint32) (perCPU any, each [][]byte, err error) {
	all := reflect.New(r.value)
	if err := r.m.Lookup(half, all.Interface()); err != nil {
		return nil, nil, fmt.Errorf("read runs: %w", err)
	}
	for i := range all.Elem().Len() {
		each = append(each, all.Elem().Index(i).Slice(0, int(r.m.ValueSize())).Bytes())
	}
	return all.Elem().Interface(), each, nil
}

// drain hands out the rows of a half that is at rest, and empties it but for the outcomes, which only grow.
func (r *runs) drain(half uint32, take func(row []byte, perCPU []wireTally)) error {
	perCPU, each, err := r.read(half)
	if err != nil {
		return err
	}
	found := false
	for _, run := range each {
		tally := wireTally{binary.NativeEndian.Uint64(run), binary.NativeEndian.Uint64(run[8:])}
		if tally.Count > 0 {
			found = true
			take(run[runRow:], []wireTally{tally})
		}
		clear(run[:runOutcomes])
		clear(run[unsafe.Offsetof(wireRunHead{}.Slot):])
	}
	if !found {
		return nil
	}
	if err := r.m.Put(half, perCPU); err != nil {
		return fmt.Errorf("empty runs: %w", err)
	}
	return nil
}

// addOutcomes adds what became of the events of both halves.
func (r *runs) addOutcomes(to *wireOutcomes) error {
	for half := range uint32(2) {
		_, each, err := r.read(half)
		if err != nil {
			return err
		}
		for _, run := range each {
			to.Throttled += binary.NativeEndian.Uint64(run[runOutcomes:])
			to.Counted += binary.NativeEndian.Uint64(run[runCounted:])
		}
	}
	return nil
}
