package bpf

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
)

// setKnobs sets those of the common knobs that an object has.
func (s *Session) setKnobs(spec *ebpf.CollectionSpec) error {
	for name, value := range map[string]any{
		"self_tgid":        s.SelfPID,
		"scope_netns":      s.ScopeNetNS,
		"self_netns":       s.SelfNetNS,
		"self_ports":       s.SelfPorts,
		"may_read_strings": mayReadStrings(),
	} {
		knob, ok := spec.Variables[name]
		if !ok {
			continue
		}
		if err := knob.Set(value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// mayReadStrings tells whether the kernel lets programs follow pointers to text: not in lockdown mode confidentiality.
// It asks for the helper where every kernel answers, in a raw tracepoint.
func mayReadStrings() bool {
	return features.HaveProgramHelper(ebpf.RawTracepoint, asm.FnProbeReadKernelStr) == nil
}
