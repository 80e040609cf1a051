package kernel

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// specOf builds BTF of the given types, as a kernel would describe them.
func specOf(t *testing.T, types ...btf.Type) *btf.Spec {
	t.Helper()
	builder, err := btf.NewBuilder(types, nil)
	if err != nil {
		t.Fatalf("build BTF: %v", err)
	}
	spec, err := builder.Spec()
	if err != nil {
		t.Fatalf("read built BTF: %v", err)
	}
	return spec
}

// kernelSpec returns the running kernel's BTF, or skips.
func kernelSpec(t testing.TB) *btf.Spec {
	t.Helper()
	if _, err := os.Stat(btfPath); errors.Is(err, fs.ErrNotExist) {
		missing(t, btfPath)
	}
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatalf("load the kernel's BTF: %v", err)
	}
	return spec
}

func TestEnumNames(t *testing.T) {
	spec := specOf(t,
		&btf.Enum{Name: "reason", Size: 4, Values: []btf.EnumValue{
			{Name: "CONSUMED", Value: 1}, {Name: "REASON_NOT_SPECIFIED", Value: 2}, {Name: "REASON_LAST", Value: 2},
			{Name: "REASON_MASK", Value: 0xffff0000}}},
		&btf.Enum{Name: "signed", Size: 4, Signed: true, Values: []btf.EnumValue{
			{Name: "MINUS", Value: 0xffffffffffffffff}, {Name: "PLUS", Value: 1}}},
		&btf.Enum{Name: "wide", Size: 8, Values: []btf.EnumValue{
			{Name: "LOW", Value: 1}, {Name: "HIGH", Value: 1 << 63}}},
	)
	for _, tc := range []struct {
		enum, prefix string
		value        uint64
		want         string
	}{
		{"reason", "REASON_", 1, "CONSUMED"},
		{"reason", "REASON_", 2, "NOT_SPECIFIED"},
		{"reason", "", 2, "REASON_NOT_SPECIFIED"},
		{"reason", "REASON_", 0xffff0000, "MASK"},
		{"reason", "REASON_", 0xffffffffffff0000, "MASK"},
		{"reason", "REASON_", 3, ""},
		{"reason", "REASON_", 1<<32 | 2, ""},
		{"signed", "", 0xffffffff, "MINUS"},
		{"signed", "", 0xffffffffffffffff, "MINUS"},
		{"signed", "", 0xffffffff00000001, ""},
		{"wide", "", 1 << 63, "HIGH"},
		{"wide", "", 1<<32 | 1, ""},
	} {
		enum, err := LoadEnum(spec, tc.enum, tc.prefix)
		if err != nil {
			t.Fatalf("%s: %v", tc.enum, err)
		}
		if got, ok := enum.Name(tc.value); got != tc.want || ok != (tc.want != "") {
			t.Errorf("%s %#x: %q, %v, want %q", tc.enum, tc.value, got, ok, tc.want)
		}
	}
}

func TestEnumValuesComeInOrder(t *testing.T) {
	spec := specOf(t, &btf.Enum{Name: "e", Size: 8, Values: []btf.EnumValue{{Name: "B", Value: 9}, {Name: "A", Value: 3}}})
	enum, err := LoadEnum(spec, "e", "")
	if err != nil {
		t.Fatal(err)
	}
	var values []uint64
	for value := range enum.Values() {
		values = append(values, value)
	}
	if !slices.Equal(values, []uint64{3, 9}) {
		t.Errorf("values %v, want [3 9]", values)
	}
	if want := map[uint64]string{3: "A", 9: "B"}; !maps.Equal(maps.Collect(enum.Values()), want) {
		t.Errorf("names %v, want %v", maps.Collect(enum.Values()), want)
	}
}

func TestEnumThatTheKernelDoesNotDefine(t *testing.T) {
	spec := specOf(t,
		&btf.Enum{Name: "forward", Size: 4},
		&btf.Typedef{Name: "alias", Type: &btf.Int{Name: "int", Size: 4}},
		&btf.Enum{Name: "twice", Size: 4, Values: []btf.EnumValue{{Name: "A", Value: 1}}},
		&btf.Enum{Name: "twice", Size: 4, Values: []btf.EnumValue{{Name: "B", Value: 1}}},
	)
	for name, want := range map[string]string{
		"absent":  "enum absent: no such enum in the kernel's BTF",
		"forward": "enum forward: no such enum in the kernel's BTF",
		"alias":   "enum alias: no such enum in the kernel's BTF",
		"twice":   "enum twice has 2 definitions: no such enum in the kernel's BTF",
	} {
		enum, err := LoadEnum(spec, name, "")
		if !errors.Is(err, ErrNoEnum) || err.Error() != want {
			t.Errorf("%s: error %v, want %s", name, err, want)
		}
		if got, ok := enum.Name(1); ok {
			t.Errorf("%s: the zero enum names 1 %q", name, got)
		}
	}
}

func TestRawTracepointArgs(t *testing.T) {
	void := &btf.Pointer{Target: (*btf.Void)(nil)}
	proto := func(params int) btf.Type {
		p := &btf.FuncProto{Return: (*btf.Void)(nil)}
		for range params {
			p.Params = append(p.Params, btf.FuncParam{Type: void})
		}
		return &btf.Pointer{Target: p}
	}
	spec := specOf(t,
		&btf.Typedef{Name: "btf_trace_old", Type: proto(3)},
		&btf.Typedef{Name: "btf_trace_new", Type: proto(5)},
		&btf.Typedef{Name: "btf_trace_bare", Type: proto(0)},
		&btf.Typedef{Name: "btf_trace_data", Type: void},
		&btf.Typedef{Name: "btf_trace_number", Type: &btf.Int{Name: "int", Size: 4}},
	)
	for name, want := range map[string]int{"old": 2, "new": 4, "bare": -1, "data": -1, "number": -1, "absent": -1} {
		got, err := RawTracepointArgs(spec, name)
		switch {
		case want >= 0 && (err != nil || got != want):
			t.Errorf("%s: %d, %v, want %d", name, got, err, want)
		case want < 0 && !errors.Is(err, ErrNoTracepoint):
			t.Errorf("%s: %d, %v, want ErrNoTracepoint", name, got, err)
		}
	}
}

func TestEnumsOfThisKernel(t *testing.T) {
	spec := kernelSpec(t)
	if args, err := RawTracepointArgs(spec, "kfree_skb"); err != nil || args < 2 || args > 4 {
		t.Errorf("kfree_skb has %d arguments, %v, want 2 to 4", args, err)
	}
	if args, err := RawTracepointArgs(spec, "inet_sock_set_state"); err != nil || args != 3 {
		t.Errorf("inet_sock_set_state has %d arguments, %v, want 3", args, err)
	}
	states, err := LoadEnum(spec, "bpf_prog_type", "BPF_PROG_TYPE_")
	if err != nil {
		t.Fatal(err)
	}
	if name, _ := states.Name(1); name != "SOCKET_FILTER" {
		t.Errorf("program type 1 is %q, want SOCKET_FILTER", name)
	}
	reasons, err := LoadEnum(spec, "skb_drop_reason", "SKB_DROP_REASON_")
	if errors.Is(err, ErrNoEnum) {
		t.Skip("this kernel gives no drop reasons (before 5.17)")
	} else if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(slices.Collect(maps.Values(maps.Collect(reasons.Values()))), "NOT_SPECIFIED") {
		t.Errorf("NOT_SPECIFIED is missing among %v", maps.Collect(reasons.Values()))
	}
}
