package bpftest

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// Floor is the least that any program on a hook can do: it adds one to a per-CPU counter.
type Floor struct {
	Program  *ebpf.Program
	counter  *ebpf.Map
	attached link.Link
}

// StartFloor attaches such a program to a tracepoint until the test ends.
func StartFloor(t testing.TB, tracepoint string) *Floor {
	t.Helper()
	Require(t)
	counter, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { counter.Close() })
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "floor", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: tracepoint, License: "GPL",
		Instructions: counting(counter),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	attached, err := link.AttachTracing(link.TracingOptions{Program: program})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { attached.Close() })
	return &Floor{program, counter, attached}
}

// Stop detaches the program before the test ends.
func (f *Floor) Stop(t testing.TB) {
	t.Helper()
	if err := f.attached.Close(); err != nil {
		t.Error(err)
	}
}

// counting adds one to the only counter of a map.
func counting(counter *ebpf.Map) asm.Instructions {
	return asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, counter.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "end"),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
		asm.Return(),
	}
}

// Seen is how often the hook fired: the runs that were counted and those that the kernel skipped.
func (f *Floor) Seen(t testing.TB) uint64 {
	t.Helper()
	var perCPU []uint64
	if err := f.counter.Lookup(uint32(0), &perCPU); err != nil {
		t.Fatal(err)
	}
	stats, err := f.Program.Stats()
	if err != nil {
		t.Fatal(err)
	}
	seen := stats.RecursionMisses
	for _, n := range perCPU {
		seen += n
	}
	return seen
}
