package bpf

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// findReductions tries what the program would give.
func (p *Program) findReductions() error {
	if len(p.spec.Reductions) == 0 {
		return nil
	}
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return fmt.Errorf("read the kernel's BTF: %w", err)
	}
	for _, r := range p.spec.Reductions {
		if err := r.Lost(types); err != nil {
			p.reduce(Reduction{Name: r.Name, Loses: r.Loses, Remedy: r.Remedy, Reason: oneLine(err)})
		}
	}
	return nil
}

// reduce adds to what the status tells.
func (p *Program) reduce(r Reduction) {
	p.log().Info("something is not given here", "loses", r.Loses, "reason", r.Reason, "remedy", r.Remedy)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reduced = append(p.reduced, r)
}

// oneLine is an error without the line breaks of a verifier.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// ReductionNames lists what the program could lose here, whether it does or not.
func (p *Program) ReductionNames() []string {
	var names []string
	for _, r := range p.spec.Reductions {
		names = append(names, r.Name)
	}
	return names
}
