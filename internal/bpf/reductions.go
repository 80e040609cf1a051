package bpf

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// findReductions tries what the program would give.
func (p *Program) findReductions() error {
	if p.spec.Reductions == nil {
		return nil
	}
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return fmt.Errorf("read the kernel's BTF: %w", err)
	}
	for _, r := range p.spec.Reductions(p.session) {
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

// lockedRemedy says how maps get more memory where that is limited.
const lockedRemedy = "raise the limit of locked memory (ulimit -l unlimited, LimitMEMLOCK=infinity of a systemd unit, " +
	"--ulimit memlock=-1 of a container), or add the capability SYS_RESOURCE"

// mapMemoryReduction is the name of the reduction of programs whose maps had to shrink.
const mapMemoryReduction = "map_memory"

// tellShrunk tells that the maps are smaller than they should be.
func (p *Program) tellShrunk() {
	p.reduce(Reduction{
		Name:  mapMemoryReduction,
		Loses: "room to tell as much apart as configured, or as many connections at once",
		Reason: fmt.Sprintf("the limit of locked memory leaves %d KiB for the program's maps, and as much for those that all share",
			p.session.LockedBytes>>10),
		Remedy: lockedRemedy,
	})
}

// oneLine is an error without the line breaks of a verifier.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// ReductionNames lists what the program could lose here, whether it does or not.
func (p *Program) ReductionNames() []string {
	names := []string{mapMemoryReduction}
	if p.spec.Reductions == nil {
		return names
	}
	for _, r := range p.spec.Reductions(p.session) {
		names = append(names, r.Name)
	}
	return names
}
