package programs_test

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// What a function and all that it calls take of the stack, each rounded up (check_max_stack_depth of kernel/bpf/verifier.c):
// newer kernels round to 16 bytes where they compile, and give some programs a stack of their own.
const (
	stackLimit = 512
	stackRound = 32
)

// A program that takes more is refused by old kernels alone.
func TestProgramsFitIntoTheStackOfEveryKernel(t *testing.T) {
	objects, err := filepath.Glob("*/*_bpfel.o")
	if err != nil || len(objects) == 0 {
		t.Fatalf("no object is there (%v)", err)
	}
	for _, object := range objects {
		spec, err := ebpf.LoadCollectionSpec(object)
		if err != nil {
			t.Fatal(err)
		}
		deepest := 0
		for name, program := range spec.Programs {
			all := stackOf(program.Instructions)
			if all[name] == nil {
				t.Fatalf("%s: %s is not found", object, name)
			}
			deep, path := all.depth(name)
			if deep > stackLimit {
				t.Errorf("%s: %d bytes, %d are allowed: %v", object, deep, stackLimit, path)
			}
			deepest = max(deepest, deep)
		}
		if deepest < stackLimit/2 { // there is none that makes do with so little
			t.Errorf("%s: %d bytes at most", object, deepest)
		}
	}
}

// frame is what a function takes of the stack itself, and what it calls.
type frame struct {
	bytes int
	calls map[string]bool
}

type frames map[string]*frame

// depth returns what a function takes with the deepest of what it calls, and the way there.
func (f frames) depth(name string) (deep int, path []string) {
	for _, called := range slices.Sorted(maps.Keys(f[name].calls)) {
		if d, p := f.depth(called); d > deep {
			deep, path = d, p
		}
	}
	own := max(stackRound, (f[name].bytes+stackRound-1)/stackRound*stackRound)
	return deep + own, append([]string{name}, path...)
}

// stackOf finds the frames of all functions of a program. The address of the stack's end is copied and lowered to what is
// handed on; nothing else is done with it.
func stackOf(instructions asm.Instructions) frames {
	all := make(frames)
	var own *frame
	var atEnd [asm.R10 + 1]bool // of registers: it holds the address of the stack's end
	for _, ins := range instructions {
		if name := ins.Symbol(); name != "" && btf.FuncMetadata(&ins) != nil {
			own, atEnd = &frame{calls: make(map[string]bool)}, [asm.R10 + 1]bool{}
			all[name] = own
		}
		switch class := ins.OpCode.Class(); {
		case ins.IsFunctionCall():
			own.calls[ins.Reference()] = true
			clear(atEnd[asm.R0:asm.R6])
		case class.IsJump() && ins.OpCode.JumpOp() == asm.Call:
			clear(atEnd[asm.R0:asm.R6])
		case class.IsStore() && ins.Dst == asm.R10, class.IsLoad() && ins.Src == asm.R10:
			own.bytes = max(own.bytes, -int(ins.Offset))
			atEnd[ins.Dst] = false
		case class.IsALU() && ins.OpCode.ALUOp() == asm.Mov:
			atEnd[ins.Dst] = ins.OpCode.Source() == asm.RegSource && ins.Src == asm.R10
		case class.IsLoad():
			atEnd[ins.Dst] = false
		case class.IsALU() && ins.OpCode.ALUOp() == asm.Add && ins.OpCode.Source() == asm.ImmSource && atEnd[ins.Dst]:
			own.bytes = max(own.bytes, -int(ins.Constant))
		}
	}
	return all
}
