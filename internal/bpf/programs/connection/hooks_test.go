package connection

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf/asm"
)

// Kernels before 5.12 refuse any instruction of this class whose immediate value is not 0, reached or not.
func TestWithoutFetchingNoAtomicOperationIsLeftButAdding(t *testing.T) {
	spec, err := loadConnection()
	if err != nil {
		t.Fatal(err)
	}
	withoutFetching(spec)
	for name, program := range spec.Programs {
		var code bytes.Buffer
		instructions := program.Instructions
		for i := range instructions {
			ins := instructions[i]
			if ins.OpCode.Class() != asm.StXClass {
				continue
			}
			code.Reset()
			if _, err := ins.Marshal(&code, binary.LittleEndian); err != nil {
				t.Fatal(err)
			}
			if immediate := binary.LittleEndian.Uint32(code.Bytes()[4:]); immediate != 0 {
				t.Errorf("%s: %v has the immediate value %#x", name, ins, immediate)
			}
		}
	}
}
