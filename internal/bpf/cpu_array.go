package bpf

import (
	"fmt"
	"reflect"

	"github.com/cilium/ebpf"
)

// cpuArray is an array map that has a value for each CPU.
type cpuArray struct {
	m     *ebpf.Map
	value reflect.Type // an array of bytes for each CPU
}

// newCPUArray returns nil for no map.
func newCPUArray(m *ebpf.Map) *cpuArray {
	if m == nil {
		return nil
	}
	return &cpuArray{m, reflect.SliceOf(reflect.ArrayOf(int(m.ValueSize()), reflect.TypeFor[byte]()))}
}

// read returns an entry by CPU. To change each changes values, which is what put takes.
func (a *cpuArray) read(key uint32) (values any, each [][]byte, err error) {
	all := reflect.New(a.value)
	if err := a.m.Lookup(key, all.Interface()); err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", a.m, err)
	}
	for i := range all.Elem().Len() {
		each = append(each, all.Elem().Index(i).Slice(0, int(a.m.ValueSize())).Bytes())
	}
	return all.Elem().Interface(), each, nil
}

func (a *cpuArray) put(key uint32, values any) error {
	if err := a.m.Put(key, values); err != nil {
		return fmt.Errorf("empty %s: %w", a.m, err)
	}
	return nil
}
