package kernel

import (
	"bufio"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
)

// takesArguments returns nil if a tracepoint hands out at least so many arguments.
func takesArguments(types *btf.Spec, tracepoint string, least int) error {
	arguments, err := RawTracepointArgs(types, tracepoint)
	if err != nil {
		return err
	}
	if arguments < least {
		return fmt.Errorf("the tracepoint %s has %d arguments, not %d: %w", tracepoint, arguments, least, ErrLacking)
	}
	return nil
}

// takesTrampoline returns nil if programs can be attached to the end of a function (fexit): not every kernel allows it,
// and not every function.
func takesTrampoline(types *btf.Spec, function string) error {
	if !HasFunction(types, function) {
		return fmt.Errorf("function %s: %w", function, ErrLacking)
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "probe_return", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceFExit, AttachTo: function,
		License: "Dual BSD/GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return fmt.Errorf("load a program on the return of %s: %w", function, err)
	}
	defer program.Close()
	attached, err := link.AttachTracing(link.TracingOptions{Program: program})
	if err != nil {
		return fmt.Errorf("attach a program to the return of %s: %w", function, err)
	}
	return attached.Close()
}

// takesHelper returns nil if programs of a type may call a helper.
func takesHelper(kind ebpf.ProgramType, helper asm.BuiltinFunc) error {
	if err := features.HaveProgramHelper(kind, helper); err != nil {
		return fmt.Errorf("call %v: %w", helper, err)
	}
	return nil
}

// namesReason returns nil if the kernel has a drop reason of this name.
func namesReason(types *btf.Spec, name string) error {
	reasons, err := LoadReasonNames(types)
	if err != nil {
		return err
	}
	for _, known := range reasons.All() {
		if known == name {
			return nil
		}
	}
	return fmt.Errorf("no drop reason %s: %w", name, ErrLacking)
}

// readsMemory returns nil if programs may read memory that has no type: by a helper, or where it is refused (in lockdown)
// by a cast, which bpf/include/memory.h prefers.
func readsMemory(types *btf.Spec, helper asm.BuiltinFunc) error {
	var cast *btf.Func
	if types.TypeByName("bpf_rdonly_cast", &cast) == nil {
		return nil
	}
	return takesHelper(ebpf.RawTracepoint, helper)
}

// symbolsShown returns nil if a file in the format of /proc/kallsyms shows the addresses of code. It reads the first of
// them only: all are shown or none is.
func symbolsShown(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open kernel symbols: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if s, ok := parseSymbol(lines.Bytes()); ok && s.address == 0 {
			return ErrSymbolsHidden
		} else if ok {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read kernel symbols %s: %w", path, err)
	}
	return fmt.Errorf("no symbols of code in %s", path)
}

// takesFetching returns nil if programs may use atomic operations that fetch: 5.12, and later on some processors.
func takesFetching() error {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "probe_fetching", Type: ebpf.RawTracepoint, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, -8, asm.R1, asm.DWord),
			asm.FetchAdd.Mem(asm.R10, asm.R1, asm.DWord, -8), asm.Mov.Imm(asm.R0, 0), asm.Return(),
		},
	})
	if err != nil {
		return fmt.Errorf("load a program with an atomic operation that fetches: %w", err)
	}
	return program.Close()
}

// tellsOpen returns nil if programs can walk open connections, by the cookies of their sockets, and count what they carry
// without counting it twice, with atomic operations that fetch, and where they may read memory.
func tellsOpen(types *btf.Spec) error {
	if !HasFunction(types, "bpf_get_socket_ptr_cookie") {
		return fmt.Errorf("cookies of sockets for programs of tracepoints: %w", ErrLacking)
	}
	if err := takesFetching(); err != nil {
		return err
	}
	return readsMemory(types, asm.FnProbeReadKernel)
}
