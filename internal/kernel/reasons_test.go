package kernel

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf/btf"
)

func reasonsOf(t *testing.T) *ReasonNames {
	t.Helper()
	enum := func(name string, values ...btf.EnumValue) *btf.Enum {
		return &btf.Enum{Name: name, Size: 4, Values: values}
	}
	reasons, err := LoadReasonNames(specOf(t,
		enum("skb_drop_reason", btf.EnumValue{Name: "SKB_NOT_DROPPED_YET"}, btf.EnumValue{Name: "SKB_DROP_REASON_NO_SOCKET", Value: 3}),
		enum("skb_drop_reason_subsys", btf.EnumValue{Name: "SKB_DROP_REASON_SUBSYS_CORE"},
			btf.EnumValue{Name: "SKB_DROP_REASON_SUBSYS_QDISC", Value: 3},
			btf.EnumValue{Name: "SKB_DROP_REASON_SUBSYS_ABSENT", Value: 4}),
		enum("qdisc_drop_reason", btf.EnumValue{Name: "QDISC_DROP_GENERIC", Value: 3<<16 | 1}),
		enum("absent_drop_reason", btf.EnumValue{Name: "OF_ANOTHER", Value: 9<<16 | 1}),
	))
	if err != nil {
		t.Fatal(err)
	}
	return reasons
}

func TestReasonsAreNamedByTheirSubsystem(t *testing.T) {
	reasons := reasonsOf(t)
	for reason, want := range map[uint32]string{
		0: "SKB_NOT_DROPPED_YET", 3: "NO_SOCKET", 3<<16 | 1: "QDISC_DROP_GENERIC",
		4: "", 3 << 16: "", 3<<16 | 3: "", 4<<16 | 1: "", 9<<16 | 1: "", 1: "",
	} {
		if got, ok := reasons.Name(reason); got != want || ok != (want != "") {
			t.Errorf("%#x is %q, %v, want %q", reason, got, ok, want)
		}
	}
	n := 0
	for range reasons.All() {
		n++
	}
	if n != 3 {
		t.Errorf("%d reasons have a name, want 3", n)
	}
}

func TestAKernelWithoutReasonsHasNone(t *testing.T) {
	reasons, err := LoadReasonNames(specOf(t, &btf.Int{Name: "int", Size: 4}))
	if !errors.Is(err, ErrNoEnum) {
		t.Error(err)
	}
	if name, ok := reasons.Name(3); ok || name != "" {
		t.Errorf("3 is %q", name)
	}
	for reason := range reasons.All() {
		t.Errorf("%d has a name", reason)
	}
}

// Whatever kernel this runs on: every value of its enums has the name that they give it.
func TestReasonsOfThisKernelAreThoseOfItsBTF(t *testing.T) {
	types := kernelSpec(t)
	reasons, err := LoadReasonNames(types)
	if errors.Is(err, ErrNoEnum) {
		t.Skip("this kernel gives no reasons")
	} else if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"skb_drop_reason", "qdisc_drop_reason"} {
		var enum *btf.Enum
		if types.TypeByName(name, &enum) != nil {
			continue
		}
		named := make(map[uint32]bool)
		for _, value := range enum.Values {
			if value.Name == "SKB_DROP_REASON_SUBSYS_MASK" || value.Name == "QDISC_DROP_UNSPEC" {
				continue // says which bits are the subsystem's, or that there is no reason
			}
			got, ok := reasons.Name(uint32(value.Value))
			if !ok || !named[uint32(value.Value)] && got != value.Name && reasonPrefix+got != value.Name {
				t.Errorf("%d is %q, want %s", value.Value, got, value.Name)
			}
			named[uint32(value.Value)] = true
		}
		t.Logf("%s: %d values", name, len(named))
	}
}
