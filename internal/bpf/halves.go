package bpf

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/cilium/ebpf"
)

// batchBytes bounds what one system call brings of a map, so that a ledger for many CPUs takes little memory to drain.
const batchBytes = 256 << 10

// half is one of two maps of which the kernel fills one and the other is at rest. Its keys are of any size, its values
// are V, one for each CPU where the map has one for each.
type half[V any] struct {
	m    *ebpf.Map
	keys []byte
	any  reflect.Value // keys, as the slice of arrays that the map's keys are
	each int           // values of a key
	all  []V
	key  []byte // room for one with what the map's lack at their end
}

// newHalf makes room to drain a map, some keys at a time, whose keys lack so many bytes at their end, which are zero.
func newHalf[V any](m *ebpf.Map, lacking uint32) (*half[V], error) {
	each := 1
	if m.Type() == ebpf.PerCPUHash {
		cpus, err := ebpf.PossibleCPU()
		if err != nil {
			return nil, fmt.Errorf("count CPUs: %w", err)
		}
		each = cpus
	}
	var value V
	if size := int(unsafe.Sizeof(value)); int(m.ValueSize()) != size {
		return nil, fmt.Errorf("values of map %s have %d bytes, want %d", m, m.ValueSize(), size)
	}
	keySize := int(m.KeySize())
	// A batch is no smaller than any bucket of the map: they are sized for one key each.
	n := min(max(batchBytes/(each*int(unsafe.Sizeof(value))+keySize), 64), int(m.MaxEntries()))
	keys := reflect.MakeSlice(reflect.SliceOf(reflect.ArrayOf(keySize, reflect.TypeFor[byte]())), n, n)
	return &half[V]{
		m:    m,
		keys: unsafe.Slice((*byte)(keys.UnsafePointer()), n*keySize),
		any:  keys,
		each: each,
		all:  make([]V, n*each),
		key:  make([]byte, keySize+int(lacking)),
	}, nil
}

// drain hands out every key with its values and empties the map, which is at rest. Neither may be kept.
func (h *half[V]) drain(take func(key []byte, values []V)) error {
	var cursor ebpf.MapBatchCursor
	size := int(h.m.KeySize())
	for {
		n, err := h.m.BatchLookupAndDelete(&cursor, h.any.Interface(), h.all, nil)
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
		for i := range n {
			copy(h.key, h.keys[i*size:(i+1)*size])
			take(h.key, h.all[i*h.each:(i+1)*h.each])
		}
		if err != nil {
			return nil
		}
	}
}

// growing is an array whose counts only grow.
type growing[V any] struct {
	m         *ebpf.Map
	keys      []uint32
	last, now []V
}

func newGrowing[V any](m *ebpf.Map) *growing[V] { return &growing[V]{m: m} }

// each hands out what every element was at the last call and what it is now. It makes room at the first call: most
// ledgers never overflow.
func (g *growing[V]) each(take func(kind uint32, before, now *V)) error {
	if n := int(g.m.MaxEntries()); g.last == nil {
		g.keys, g.last, g.now = make([]uint32, n), make([]V, n), make([]V, n)
	}
	var cursor ebpf.MapBatchCursor
	n, err := g.m.BatchLookup(&cursor, g.keys, g.now, nil)
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	for i, kind := range g.keys[:n] {
		take(kind, &g.last[kind], &g.now[i])
		g.last[kind] = g.now[i]
	}
	return nil
}
