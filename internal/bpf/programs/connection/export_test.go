package connection

import (
	"errors"

	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/bpf"
)

// NewWithoutFunctions returns the program as it is on kernels that do not let programs attach to functions.
func NewWithoutFunctions(storage bpf.EventStorage, options ...bpf.Option) *bpf.Program {
	refused := func(*btf.Spec) error { return errors.New("a test refuses it") }
	return newProgram(DefaultConfig(), hooks{trampolines: refused, functions: connectFunctions}, storage, options...)
}
