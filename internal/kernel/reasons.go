package kernel

import (
	"errors"
	"iter"
	"os"
	"strings"
	"sync"

	"github.com/cilium/ebpf/btf"
)

// The enums that drop reasons are made of. The upper half of a reason is the number of its subsystem, 0 for the core; the
// reasons of a subsystem stand in an enum of its own, in the kernel or in its module (include/net/dropreason.h).
const (
	reasonEnum      = "skb_drop_reason"
	reasonPrefix    = "SKB_DROP_REASON_"
	subsystemEnum   = "skb_drop_reason_subsys"
	subsystemPrefix = "SKB_DROP_REASON_SUBSYS_"
	reasonsSuffix   = "_drop_reason"
	modulesBTF      = "/sys/kernel/btf"
)

// ReasonNames names the reasons for which the running kernel drops packets, as its BTF and that of its modules do. It is
// safe for concurrent use. The zero ReasonNames knows no names.
type ReasonNames struct {
	core       Enum
	subsystems Enum
	types      *btf.Spec

	mu    sync.Mutex
	known map[uint32]Enum // by subsystem, those that were found
}

// LoadReasonNames reads the reasons of the kernel's core and what its subsystems are called. Their own reasons are read
// when the first is asked for: a module may be loaded later. It wraps ErrNoEnum where the kernel has no reasons.
func LoadReasonNames(types *btf.Spec) (*ReasonNames, error) {
	core, err := LoadEnum(types, reasonEnum, reasonPrefix)
	if err != nil {
		return new(ReasonNames), err
	}
	r := &ReasonNames{core: core, types: types, known: make(map[uint32]Enum)}
	if r.subsystems, err = LoadEnum(types, subsystemEnum, subsystemPrefix); err != nil && !errors.Is(err, ErrNoEnum) {
		return new(ReasonNames), err
	}
	return r, nil
}

// Name returns the kernel's own name of a reason without its prefix, and false if it has none.
func (r *ReasonNames) Name(reason uint32) (string, bool) {
	subsystem := reason >> 16
	if subsystem == 0 {
		return r.core.Name(uint64(reason))
	}
	return r.enumOf(subsystem).Name(uint64(reason))
}

// All yields every reason that has a name by now.
func (r *ReasonNames) All() iter.Seq2[uint32, string] {
	return func(yield func(uint32, string) bool) {
		enums := map[uint32]Enum{0: r.core}
		for subsystem := range r.subsystems.Values() {
			if subsystem != 0 {
				enums[uint32(subsystem)] = r.enumOf(uint32(subsystem))
			}
		}
		for subsystem, enum := range enums {
			for reason, name := range enum.Values() {
				// others say which bits are what, or that there is none
				if uint32(reason)>>16 == subsystem && !yield(uint32(reason), name) {
					return
				}
			}
		}
	}
}

// enumOf returns the reasons of a subsystem, none as long as they are not found.
func (r *ReasonNames) enumOf(subsystem uint32) Enum {
	name, ok := r.subsystems.Name(uint64(subsystem))
	if !ok {
		return Enum{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if found, ok := r.known[subsystem]; ok {
		return found
	}
	found, ok := r.find(subsystem, strings.ToLower(name))
	if ok {
		r.known[subsystem] = found
	}
	return found
}

// find looks for the enum of a subsystem: in the kernel by its name (QDISC has qdisc_drop_reason), in the module that the
// subsystem is called after (MAC80211_UNUSABLE after mac80211) by its values.
func (r *ReasonNames) find(subsystem uint32, name string) (Enum, bool) {
	if enum, err := LoadEnum(r.types, name+reasonsSuffix, reasonPrefix); err == nil && speaksOf(enum, subsystem) {
		return enum, true
	}
	modules, err := os.ReadDir(modulesBTF)
	if err != nil {
		return Enum{}, false
	}
	for _, module := range modules {
		if module.Name() == "vmlinux" || !strings.HasPrefix(name, module.Name()) {
			continue
		}
		types, err := btf.LoadKernelModuleSpec(module.Name())
		if err != nil {
			continue
		}
		for t, err := range types.All() {
			if enum, ok := t.(*btf.Enum); err == nil && ok && strings.HasSuffix(enum.Name, reasonsSuffix) {
				if found := newEnum(enum, reasonPrefix); speaksOf(found, subsystem) {
					return found, true
				}
			}
		}
	}
	return Enum{}, false
}

// speaksOf tells whether an enum holds reasons of a subsystem.
func speaksOf(enum Enum, subsystem uint32) bool {
	for value := range enum.Values() {
		if uint32(value)>>16 == subsystem {
			return true
		}
	}
	return false
}
