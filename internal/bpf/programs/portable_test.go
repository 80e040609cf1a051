package programs_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// One object serves every little-endian processor: none knows the registers of one, which is what code has to look into
// that takes a function's arguments without types. A tracepoint's are the same everywhere.
func TestObjectsAreOfNoProcessor(t *testing.T) {
	var objects []string
	for _, pattern := range []string{"*/*_bpfel.o", "../../kernel/*_bpfel.o"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no object matches %s (%v)", pattern, err)
		}
		objects = append(objects, found...)
	}
	for _, object := range objects {
		spec, err := ebpf.LoadCollectionSpec(object)
		if err != nil {
			t.Fatal(err)
		}
		for name, program := range spec.Programs {
			if program.Type != ebpf.Tracing && program.Type != ebpf.TracePoint {
				t.Errorf("%s: %s is of type %s, whose arguments are registers", object, name, program.Type)
			}
		}
		for _, name := range []string{"pt_regs", "user_pt_regs"} {
			if _, err := spec.Types.AnyTypesByName(name); !errors.Is(err, btf.ErrNotFound) {
				t.Errorf("%s: struct %s is in it (%v)", object, name, err)
			}
		}
	}
}
