package connection

import (
	"fmt"
	"log/slog"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/kernel"
)

// onFunctions are the hooks on functions of the kernel, which refine what tracepoints tell where the kernel allows it.
func onFunctions() []string {
	return []string{
		connectionProgConnectionErrorReport, connectionProgConnectionAccepted,
		connectionProgConnectionConnect4, connectionProgConnectionConnect6,
		connectionProgConnectionForbidden4, connectionProgConnectionForbidden6,
		connectionProgConnectionUdp4, connectionProgConnectionUdp6,
	}
}

// chooseHooks leaves out the hooks that the running kernel does not have, or has something better for.
func chooseHooks(spec *ebpf.CollectionSpec, _ *slog.Logger) error {
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return fmt.Errorf("read the kernel's BTF: %w", err)
	}
	if kernel.HasTracepoint(types, "inet_sk_error_report") {
		delete(spec.Programs, connectionProgConnectionErrorReport)
	} else {
		delete(spec.Programs, connectionProgConnectionError)
	}
	instant, acceptors := kernel.InstantConnects.Lost(types) == nil, kernel.Acceptors.Lost(types) == nil
	for _, name := range onFunctions() {
		program := spec.Programs[name]
		if program != nil && (!instant || !kernel.HasFunction(types, program.AttachTo)) {
			delete(spec.Programs, name)
		}
	}
	if !acceptors {
		delete(spec.Programs, connectionProgConnectionAccepted)
	}
	tellOpen := kernel.OpenConnections.Lost(types) == nil
	if !tellOpen {
		delete(spec.Programs, connectionProgConnectionOpen)
		withoutFetching(spec)
	}
	for name, value := range map[string]bool{
		connectionVarOpenAreTold:      tellOpen,
		connectionVarAcceptorsAreSeen: spec.Programs[connectionProgConnectionAccepted] != nil,
	} {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// withoutFetching takes the atomic operations that fetch out of code that is not reached without open_are_told: kernels
// before 5.12 refuse them wherever they stand.
func withoutFetching(spec *ebpf.CollectionSpec) {
	for _, program := range spec.Programs {
		for i := range program.Instructions {
			ins := &program.Instructions[i]
			if op := ins.OpCode.AtomicOp(); op != asm.InvalidAtomic && op != asm.AddAtomic {
				ins.OpCode, ins.Constant = ins.OpCode.SetAtomicOp(asm.AddAtomic), 0
			}
		}
	}
}
