package bpf_test

import (
	"errors"
	"log/slog"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/kernel"
)

// A program tells what it does not give, also when it fails: it may be the reason.
func TestAProgramTellsItsReductions(t *testing.T) {
	if _, err := btf.LoadKernelSpec(); err != nil {
		t.Skip("needs the kernel's BTF: ", err)
	}
	probe := func(err error) func(*btf.Spec) error {
		return func(types *btf.Spec) error {
			if types == nil {
				return errors.New("the probe has no types to look at")
			}
			return err
		}
	}
	program := bpf.NewProgram(bpf.Spec{
		Name:    "reduced",
		Object:  func() (*ebpf.CollectionSpec, error) { return &ebpf.CollectionSpec{}, nil },
		Prepare: func(*ebpf.CollectionSpec, *bpf.Session, *slog.Logger) error { return errNoObject },
		Reductions: func(*bpf.Session) []kernel.Reduction {
			return []kernel.Reduction{
				{Name: "there", Loses: "something", Lost: probe(nil)},
				{Name: "lost", Loses: "another", Remedy: "ask for it", Lost: probe(errors.New("two\n\tlines"))},
			}
		},
	}, bpf.NewInMemoryStorage())
	if names := program.ReductionNames(); !slices.Equal(names, []string{"map_memory", "there", "lost"}) {
		t.Errorf("it could lose %v", names)
	}
	if found := program.Status().Reductions; len(found) != 0 {
		t.Errorf("before it is loaded it lacks %v", found)
	}
	if err := program.Load(); !errors.Is(err, errNoObject) {
		t.Fatal(err)
	}
	want := []bpf.Reduction{{Name: "lost", Loses: "another", Reason: "two lines", Remedy: "ask for it"}}
	if found := program.Status().Reductions; !slices.Equal(found, want) {
		t.Errorf("it lacks %v, want %v", found, want)
	}
}
