package connection

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/kernel"
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

// What is not seen is named, and how to see it, for every value of sync_failures.
func TestConnectsThatAreNotSeenAreNamed(t *testing.T) {
	refused := errors.New("refused")
	for _, test := range []struct {
		mode      string
		functions error
		missing   error    // a function
		lost      []string // where tracefs can be read
	}{
		{"", nil, nil, nil}, {bpf.SyncAuto, nil, nil, nil}, {bpf.SyncSyscalls, nil, nil, nil},
		{bpf.SyncOff, nil, nil, []string{"instant_connects"}},
		{bpf.SyncAuto, refused, nil, []string{"instant_connects"}},
		{bpf.SyncOff, refused, nil, []string{"instant_connects"}},
		{bpf.SyncSyscalls, refused, nil, []string{"indirect_connects"}},
		{bpf.SyncAuto, nil, refused, []string{"instant_connects"}},
		{bpf.SyncSyscalls, nil, refused, []string{"instant_connects"}},
	} {
		h := hooks{
			trampolines: func(*btf.Spec) error { return test.functions },
			functions:   func(*btf.Spec) error { return test.missing },
		}
		session := bpf.NewSession(nil)
		session.SyncFailures = test.mode
		want := test.lost
		if test.mode == bpf.SyncSyscalls && test.functions != nil && syscallTracepoints() != nil {
			want = append(want, "instant_connects")
		}
		var lost []string
		for _, r := range h.reductions(session) {
			if !strings.HasSuffix(r.Name, "_connects") {
				continue
			}
			if r.Lost(nil) != nil {
				lost = append(lost, r.Name)
			}
			if r.Remedy == "" {
				t.Errorf("%s with %q has no remedy", r.Name, test.mode)
			}
		}
		if !slices.Equal(lost, want) {
			t.Errorf("with %q and functions %v %v are lost, want %v", test.mode, test.functions, lost, want)
		}
	}
}

// A kernel whose IPv6 is a module has none of its functions in its own BTF.
func TestFunctionsThatAreMissingAreNamed(t *testing.T) {
	types, err := btf.LoadKernelSpec()
	if err != nil {
		bpftest.Missing(t, "reads the kernel's BTF: "+err.Error())
	}
	if err := connectFunctions(types); (err == nil) != kernel.HasFunction(types, "tcp_v6_connect") {
		t.Errorf("of the functions that this kernel has: %v", err)
	}
	builder, err := btf.NewBuilder([]btf.Type{&btf.Int{Name: "int", Size: 4}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	none, err := builder.Spec()
	if err != nil {
		t.Fatal(err)
	}
	if err := connectFunctions(none); !errors.Is(err, kernel.ErrLacking) || !strings.Contains(err.Error(), "tcp_v6_pre_connect") {
		t.Errorf("without any function: %v", err)
	}
}
