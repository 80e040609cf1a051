package bpf

import (
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/cilium/ebpf"
)

// runsMap is where programs keep the row of each CPU's last event at hand: see bpf/include/run.h.
const runsMap = "runs"

// runHeader is what struct run begins with before its row: a tally, a slot and a flag.
const runHeader = 24

// runs are the rows that the kernel keeps at hand, two for each CPU: one in each half of the ledger.
type runs struct {
	m     *ebpf.Map
	value reflect.Type // an array of bytes for each CPU
	none  any
}

// newRuns returns nil for programs that keep no row at hand.
func newRuns(m *ebpf.Map) (*runs, error) {
	if m == nil {
		return nil, nil
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count CPUs: %w", err)
	}
	value := reflect.SliceOf(reflect.ArrayOf(int(m.ValueSize()), reflect.TypeFor[byte]()))
	return &runs{m, value, reflect.MakeSlice(value, cpus, cpus).Interface()}, nil
}

// drain hands out the rows of a half that is at rest, and empties it.
func (r *runs) drain(half uint32, take func(row []byte, perCPU []wireTally)) error {
	all := reflect.New(r.value)
	if err := r.m.Lookup(half, all.Interface()); err != nil {
		return fmt.Errorf("read runs: %w", err)
	}
	var any bool
	for i := range all.Elem().Len() {
		run := all.Elem().Index(i).Slice(0, int(r.m.ValueSize())).Bytes()
		tally := wireTally{binary.NativeEndian.Uint64(run), binary.NativeEndian.Uint64(run[8:])}
		if tally.Count > 0 {
			any = true
			take(run[runHeader:], []wireTally{tally})
		}
	}
	if !any {
		return nil
	}
	if err := r.m.Put(half, r.none); err != nil {
		return fmt.Errorf("empty runs: %w", err)
	}
	return nil
}
