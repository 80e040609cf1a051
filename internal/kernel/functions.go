package kernel

import "github.com/cilium/ebpf/btf"

// HasFunction tells whether the kernel's BTF describes a function of its own. The implementation of a helper is one:
// bpf_sock_from_file, for example, is there since programs may call it.
func HasFunction(types *btf.Spec, name string) bool {
	var function *btf.Func
	return types.TypeByName(name, &function) == nil
}

// HasTracepoint tells whether programs can be attached to a tracepoint by its BTF (tp_btf).
func HasTracepoint(types *btf.Spec, name string) bool {
	var function *btf.Typedef
	return types.TypeByName("btf_trace_"+name, &function) == nil
}
