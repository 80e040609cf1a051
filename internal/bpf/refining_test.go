package bpf_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/kernel"
)

// A hook on a function of the kernel that the kernel refuses, because its arguments are others than they were or it cannot be
// attached, takes nothing else with it: what it adds is named as lost, and the object is fitted to that.
func TestARefiningHookThatIsRefusedIsLeftOut(t *testing.T) {
	bpftest.Require(t)
	for name, instructions := range map[string]asm.Instructions{
		"cannot load":   {asm.Mov.Reg(asm.R0, asm.R5), asm.Return()},
		"cannot attach": {asm.Mov.Imm(asm.R0, 0), asm.Return()},
	} {
		t.Run(name, func(t *testing.T) {
			prepared := 0
			program := bpf.NewProgram(bpf.Spec{
				Name:   "refined",
				Object: refinedObject(instructions),
				Prepare: func(spec *ebpf.CollectionSpec, _ *bpf.Session, _ *slog.Logger) error {
					prepared++
					if there := spec.Programs["refining"] != nil; there != (prepared == 1) {
						t.Errorf("prepared for the %d. time, with it: %t", prepared, there)
					}
					return nil
				},
				Refining: func(function string) kernel.Reduction {
					return kernel.Reduction{Name: "lost_" + function, Loses: "something", Remedy: "another kernel"}
				},
				Decode: func(base bpf.BaseEvent, _ []byte) (bpf.BPFEvent, error) { return &fakeEvent{base, "refined"}, nil },
				Row:    func(tally bpf.RowTally, _ []byte) (bpf.BPFEvent, error) { return &fakeTally{tally}, nil },
			}, bpf.NewInMemoryStorage())
			for _, step := range []func() error{program.Load, program.Attach, func() error { return program.Start(t.Context()) }} {
				if err := step(); err != nil {
					t.Fatal(err)
				}
			}
			status := program.Status()
			for _, hook := range status.Hooks {
				if refused := hook.Program == "refining"; hook.Attached == refused || (hook.Reason == "") == refused {
					t.Errorf("%+v", hook)
				}
			}
			lost := func(r bpf.Reduction) bool {
				return r.Name == "lost_refining" && r.Reason != "" && !strings.Contains(r.Reason, "\n") && r.Remedy != ""
			}
			if len(status.Hooks) != 2 || !slices.ContainsFunc(status.Reductions, lost) {
				t.Errorf("%+v", status)
			}
			if err := program.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// refinedObject has an essential function, and one that refines it.
func refinedObject(instructions asm.Instructions) func() (*ebpf.CollectionSpec, error) {
	return func() (*ebpf.CollectionSpec, error) {
		spec, err := ebpf.LoadCollectionSpec("programs/packet_drop/packetdrop_bpfel.o")
		if err != nil {
			return nil, err
		}
		spec.Programs["refining"] = &ebpf.ProgramSpec{
			Name: "refining", Type: ebpf.SocketFilter, SectionName: "fexit/tcp_v4_connect", Instructions: instructions, License: "GPL",
		}
		return spec, nil
	}
}
