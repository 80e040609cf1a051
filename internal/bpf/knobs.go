package bpf

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"

	"github.com/kerntap/kerntap/internal/kernel"
	"github.com/kerntap/kerntap/internal/telemetry"
	"github.com/kerntap/kerntap/internal/workload"
)

// setKnobs sets those of the common knobs that an object has, before it is loaded.
func (s *Session) setKnobs(spec *ebpf.CollectionSpec) error {
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return fmt.Errorf("read the kernel's BTF: %w", err)
	}
	fixed := Knobs{
		"sockets_have_cookies": kernel.HasFunction(types, "bpf_get_socket_ptr_cookie"),
		"tasks_are_typed":      kernel.HasFunction(types, "bpf_get_current_task_btf"),
		"files_have_sockets":   kernel.HasFunction(types, "bpf_sock_from_file"),
		"self_tgid":            s.SelfPID,
		"self_netns":           s.SelfNetNS,
		"self_ports":           s.SelfPorts,
		"may_probe_read":       mayProbeRead(),
		"rows_by":              s.RowsBy.bits(),
		"distribution_bounds":  distributionBounds(),
		"distribution_below":   distributionBelow(),
	}
	return errors.Join(
		setKnobs(spec.Variables, fixed),
		setKnobs(spec.Variables, s.tunable()),
		s.setFilters(func(knobs Knobs) error { return setKnobs(spec.Variables, knobs) }))
}

// Knobs are values of an object's variables, by name.
type Knobs map[string]any

// setKnobs sets those of the variables that there are: not every object has every common knob.
func setKnobs[V interface{ Set(any) error }](variables map[string]V, knobs Knobs) error {
	for name, value := range knobs {
		variable, ok := variables[name]
		if !ok {
			continue
		}
		if err := variable.Set(value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// Throttle bounds how many records a program emits between two drains of its ledger. 0 is no limit.
type Throttle struct {
	// Row is the most of one row of the ledger, Program of the whole program.
	Row, Program uint32
	// First is the most of rows that emit their first: they do not count against Program.
	First uint32
}

// RowsBy says what rows tell apart beside the command, each of which multiplies them.
type RowsBy struct{ Container, Pod, Executable, ServerPort, Interface bool }

// RowsByAttributes returns what rows must tell apart so that metrics can have these attributes.
func RowsByAttributes(names []string) RowsBy {
	return RowsBy{
		Container:  slices.Contains(names, telemetry.ContainerID),
		Pod:        slices.Contains(names, telemetry.K8SPodUID),
		Executable: slices.Contains(names, telemetry.ProcessExecutable),
		ServerPort: slices.Contains(names, telemetry.ServerPort),
		Interface:  slices.Contains(names, telemetry.InterfaceName),
	}
}

func (r RowsBy) cgroups() bool { return r.Container || r.Pod }

// What rows tell apart, as programs are told: ROWS_BY_CGROUP and its neighbours in bpf/include/ledger.h.
const (
	rowsByCgroup = 1 << iota
	rowsByExecutable
	rowsByPort
	rowsByInterface
)

func (r RowsBy) bits() (bits uint32) {
	for bit, asked := range map[uint32]bool{
		rowsByCgroup: r.cgroups(), rowsByExecutable: r.Executable, rowsByPort: r.ServerPort, rowsByInterface: r.Interface,
	} {
		if asked {
			bits |= bit
		}
	}
	return bits
}

// keysLack is how many bytes at the end of rows, which would be zero, their keys have no room for.
func (r RowsBy) keysLack() uint32 {
	if r.cgroups() || r.Executable {
		return 0
	}
	return wireOwnerTail
}

// shorten leaves the keys of an object's rows no longer than what they tell apart.
func (r RowsBy) shorten(spec *ebpf.CollectionSpec) {
	for _, name := range []string{rowsMap, distributionsMap} {
		for _, half := range []string{"0", "1"} {
			if m := spec.Maps[name+half]; m != nil && r.keysLack() > 0 {
				m.KeySize -= r.keysLack()
				m.Key, m.Value = nil, nil // the type of the whole row, without which there may be none of the value
			}
		}
	}
}

// only leaves out what rows do not tell apart.
func (r RowsBy) only(identity *workload.Identity) *workload.Identity {
	if identity == nil || !r.cgroups() {
		return nil
	}
	told := *identity
	if !r.Container {
		told.ContainerID = ""
	}
	if !r.Pod {
		told.PodUID = ""
	}
	return &told
}

// mayProbeRead tells whether the kernel lets programs read its memory at will: not in lockdown mode confidentiality.
// It asks for the helper where every kernel answers, in a raw tracepoint.
func mayProbeRead() bool {
	return features.HaveProgramHelper(ebpf.RawTracepoint, asm.FnProbeReadKernelStr) == nil
}
