package kernel

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// ErrNoEnum is wrapped when the kernel's BTF does not define an enum, or defines it more than once.
var ErrNoEnum = errors.New("no such enum in the kernel's BTF")

// ErrNoTracepoint is wrapped when the kernel's BTF does not describe a tracepoint.
var ErrNoTracepoint = errors.New("no such tracepoint in the kernel's BTF")

// Enum names the values of one enum as the running kernel's BTF names them. Numbers differ from kernel to kernel, so
// no table of them can be compiled in. The zero Enum knows no names.
type Enum struct {
	names map[uint64]string
	size  uint32
}

// LoadEnum reads an enum, 32 or 64 bits wide, from the kernel's BTF and takes prefix off the names that have it, such
// as SKB_DROP_REASON_ of skb_drop_reason. It wraps ErrNoEnum if spec defines no such enum.
func LoadEnum(spec *btf.Spec, name, prefix string) (Enum, error) {
	types, err := spec.AnyTypesByName(name)
	if err != nil && !errors.Is(err, btf.ErrNotFound) {
		return Enum{}, fmt.Errorf("find enum %s: %w", name, err)
	}
	var found []*btf.Enum
	for _, t := range types {
		// An enum without values is a forward declaration.
		if enum, ok := t.(*btf.Enum); ok && len(enum.Values) > 0 {
			found = append(found, enum)
		}
	}
	switch len(found) {
	case 0:
		return Enum{}, fmt.Errorf("enum %s: %w", name, ErrNoEnum)
	case 1:
		return newEnum(found[0], prefix), nil
	default:
		// Any of them could be the one that the reader of a value meant.
		return Enum{}, fmt.Errorf("enum %s has %d definitions: %w", name, len(found), ErrNoEnum)
	}
}

func newEnum(enum *btf.Enum, prefix string) Enum {
	e := Enum{names: make(map[uint64]string, len(enum.Values)), size: enum.Size}
	for _, v := range enum.Values {
		value, _ := e.normal(v.Value)
		// The first of several names for one value is the real one; markers such as FOO_LAST follow it.
		if _, taken := e.names[value]; !taken {
			e.names[value] = strings.Clone(strings.TrimPrefix(v.Name, prefix))
		}
	}
	return e
}

// Name returns the name of a value without the prefix, and false if the enum does not define the value. A negative
// value may come extended with its sign or with zeros.
func (e Enum) Name(value uint64) (string, bool) {
	value, fits := e.normal(value)
	if !fits {
		return "", false
	}
	name, ok := e.names[value]
	return name, ok
}

// Values yields every value with its name in the order of the values. Negative values of enums of less than 64 bits
// come extended with zeros.
func (e Enum) Values() iter.Seq2[uint64, string] {
	return func(yield func(uint64, string) bool) {
		for _, value := range slices.Sorted(maps.Keys(e.names)) {
			if !yield(value, e.names[value]) {
				return
			}
		}
	}
}

// normal cuts a value to the width of the enum; false if that loses more than copies of the sign.
func (e Enum) normal(value uint64) (uint64, bool) {
	if e.size >= 8 {
		return value, true
	}
	bits := 8 * e.size
	low, high := value&(1<<bits-1), value>>bits
	signs := high == 1<<(64-bits)-1 && low>>(bits-1) == 1
	return low, high == 0 || signs
}

// RawTracepointArgs returns how many arguments a tp_btf program of a tracepoint gets on this kernel. The kernel
// describes them as typedef btf_trace_<name> of a pointer to a function whose first parameter, void *__data, programs
// do not see. It wraps ErrNoTracepoint if spec has no such description.
func RawTracepointArgs(spec *btf.Spec, tracepoint string) (int, error) {
	var typedef *btf.Typedef
	if err := spec.TypeByName("btf_trace_"+tracepoint, &typedef); errors.Is(err, btf.ErrNotFound) {
		return 0, fmt.Errorf("tracepoint %s: %w", tracepoint, ErrNoTracepoint)
	} else if err != nil {
		return 0, fmt.Errorf("find tracepoint %s: %w", tracepoint, err)
	}
	pointer, ok := typedef.Type.(*btf.Pointer)
	if !ok {
		return 0, fmt.Errorf("tracepoint %s is described by %v: %w", tracepoint, typedef.Type, ErrNoTracepoint)
	}
	proto, ok := pointer.Target.(*btf.FuncProto)
	if !ok || len(proto.Params) == 0 {
		return 0, fmt.Errorf("tracepoint %s is described by %v: %w", tracepoint, pointer.Target, ErrNoTracepoint)
	}
	return len(proto.Params) - 1, nil
}
