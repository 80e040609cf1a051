package connection

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/kernel"
)

// hooks says which hooks the running kernel has, and which it has something better for.
type hooks struct {
	// trampolines returns nil if programs can be attached to functions of the kernel.
	trampolines func(*btf.Spec) error
	// functions returns nil if the kernel has every function that tells of connects which end at once.
	functions func(*btf.Spec) error
}

func newHooks() hooks {
	return hooks{trampolines: kernel.InstantConnects.Lost, functions: connectFunctions}
}

// hasIPv6 tells whether there is IPv6 on this host, whose sockets could miss their functions.
func hasIPv6() bool {
	_, err := os.Stat("/proc/net/if_inet6")
	return err == nil
}

// connectFunctions names the functions that the kernel itself lacks: IPv6 may be a module.
func connectFunctions(types *btf.Spec) error {
	spec, err := loadConnection()
	if err != nil {
		return err
	}
	var missing []string
	for _, name := range onConnects() {
		if function := spec.Programs[name].AttachTo; !kernel.HasFunction(types, function) {
			if strings.Contains(function, "6") && !hasIPv6() {
				continue
			}
			missing = append(missing, function)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("functions %s: %w", strings.Join(missing, ", "), kernel.ErrLacking)
	}
	return nil
}

// onConnects are the hooks on functions that tell of connects which end at once.
func onConnects() []string {
	return []string{
		connectionProgConnectionConnect4, connectionProgConnectionConnect6,
		connectionProgConnectionForbidden4, connectionProgConnectionForbidden6,
		connectionProgConnectionUdp4, connectionProgConnectionUdp6,
	}
}

// onSyscalls are the hooks that tell of them where there are no hooks on functions.
func onSyscalls() []string {
	return []string{connectionProgConnectionCalls, connectionProgConnectionCalled}
}

// onFunctions are the hooks on functions of the kernel, which refine what tracepoints tell where the kernel allows it.
func onFunctions() []string {
	return append(onConnects(), connectionProgConnectionErrorReport, connectionProgConnectionAccepted)
}

// refined is what is lost where the kernel refuses one of the hooks on its functions, or on system calls.
func refined(function string) kernel.Reduction {
	switch function {
	case connectionProgConnectionAccepted:
		return kernel.Acceptors
	case connectionProgConnectionErrorReport:
		return kernel.AnsweredConnects
	default:
		return kernel.InstantConnects
	}
}

// syscallTracepoints returns nil if programs can be attached to the system call connect.
func syscallTracepoints() error { return kernel.SyscallTracepoint("connect") }

// choose leaves out the hooks that the running kernel does not have, or has something better for, or that nobody asked for.
func (h hooks) choose(spec *ebpf.CollectionSpec, session *bpf.Session, _ *slog.Logger) error {
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return fmt.Errorf("read the kernel's BTF: %w", err)
	}
	if kernel.HasTracepoint(types, "inet_sk_error_report") {
		delete(spec.Programs, connectionProgConnectionErrorReport)
	} else {
		delete(spec.Programs, connectionProgConnectionError)
	}
	functions, acceptors := h.trampolines(types) == nil, kernel.Acceptors.Lost(types) == nil
	for _, name := range onFunctions() {
		program := spec.Programs[name]
		wanted := session.SyncFailures != bpf.SyncOff || !slices.Contains(onConnects(), name)
		if program != nil && (!functions || !wanted || !kernel.HasFunction(types, program.AttachTo)) {
			delete(spec.Programs, name)
		}
	}
	if !acceptors {
		delete(spec.Programs, connectionProgConnectionAccepted)
	}
	if functions || session.SyncFailures != bpf.SyncSyscalls || syscallTracepoints() != nil {
		for _, name := range onSyscalls() {
			delete(spec.Programs, name)
		}
		delete(spec.Maps, connectionMapAttempts)
	}
	return tellTheRest(spec, types)
}

// tellTheRest tells the object which of its hooks are left, and leaves out what cannot be told. To keep rows takes the atomic
// operations that fetch, which withoutFetching takes out: where open connections are not told all is counted in the ledger.
func tellTheRest(spec *ebpf.CollectionSpec, types *btf.Spec) error {
	tellOpen := kernel.OpenConnections.Lost(types) == nil
	if !tellOpen {
		delete(spec.Programs, connectionProgConnectionOpen)
		withoutFetching(spec)
	}
	for name, value := range map[string]bool{
		connectionVarOpenAreTold:      tellOpen,
		connectionVarRowsAreKept:      tellOpen,
		connectionVarAcceptorsAreSeen: spec.Programs[connectionProgConnectionAccepted] != nil,
	} {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// errOff is why nothing is seen that nobody wants to see.
var errOff = errors.New("sync_failures is off")

// reductions are what the program gives only on some kernels, or if it is asked for.
func (h hooks) reductions(session *bpf.Session) []kernel.Reduction {
	all := []kernel.Reduction{kernel.ContainerIDs, kernel.Acceptors, kernel.OpenConnections}
	if session.ServiceNames {
		all = append(all, kernel.ServiceNames)
	}
	instant, indirect := kernel.InstantConnects, kernel.IndirectConnects
	instant.Lost, indirect.Lost = h.instantLost, h.trampolines
	switch session.SyncFailures {
	case bpf.SyncOff:
		instant.Remedy, instant.Lost = "set sync_failures to auto or syscalls", func(*btf.Spec) error { return errOff }
	case bpf.SyncSyscalls:
		instant.Remedy = "mount tracefs on /sys/kernel/tracing where kerntap can read it, which takes root most often"
		instant.Lost = func(types *btf.Spec) error {
			if h.trampolines(types) == nil {
				return h.functions(types)
			}
			return syscallTracepoints()
		}
		all = append(all, indirect)
	}
	if types, err := btf.LoadKernelSpec(); err == nil && h.functions(types) != nil {
		instant.Remedy += "; those over IPv6 take a kernel that has it built in, not as a module"
	}
	return append(all, instant)
}

func (h hooks) instantLost(types *btf.Spec) error {
	if err := h.trampolines(types); err != nil {
		return err
	}
	return h.functions(types)
}

// withoutFetching takes the atomic operations that fetch out of code that is not reached without open_are_told and
// rows_are_kept: kernels before 5.12 refuse them wherever they stand.
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
