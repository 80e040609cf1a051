package connection

import (
	"fmt"
	"log/slog"

	"github.com/cilium/ebpf"
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
	any := kernel.TakesTrampoline(types, "tcp_v4_connect") // else none is worth the time
	for _, name := range onFunctions() {
		if program := spec.Programs[name]; program != nil && !(any && kernel.TakesTrampoline(types, program.AttachTo)) {
			delete(spec.Programs, name)
		}
	}
	tellOpen := kernel.OpenConnections.Lost(types) == nil
	if !tellOpen {
		delete(spec.Programs, connectionProgConnectionOpen)
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
