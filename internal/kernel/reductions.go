package kernel

import (
	"errors"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// symbolsPath is where the kernel shows the names of its functions.
const symbolsPath = "/proc/kallsyms"

// Reduction is something that a user does not get on some kernels or without some privilege, while the program that
// would give it runs all the same, or fails for this very reason.
//
// To add one: name it below by what the user loses, with a probe that looks into BTF or tries (a version says nothing:
// kernels are patched), and list it in the Reductions of the spec of each program that it is about. kerntap check,
// /health, the start block and the metric kerntap.program.reductions then tell it wherever it is lost. A program that
// does something else instead asks the same probe by Lost.
type Reduction struct {
	// Name is the value of the attribute kerntap.reduction: words joined by underscores.
	Name string
	// Loses says for people what is not seen.
	Loses string
	// Remedy says how to get it, and is "" where only another kernel has it.
	Remedy string
	// Lost returns nil where nothing is lost, else why it is. It is given the kernel's BTF and may load small programs and
	// create small maps for a moment.
	Lost func(types *btf.Spec) error
}

// ErrLacking is wrapped by the reason of a reduction where the kernel's BTF shows that the kernel does not have it.
var ErrLacking = errors.New("this kernel does not have it")

// The reductions, each with what it takes.
var (
	DropReasons = Reduction{"drop_reasons", "the reasons of packet drops", "",
		func(types *btf.Spec) error { return takesArguments(types, "kfree_skb", 3) }}
	DropReceivers = Reduction{"drop_receivers", "the process that a packet dropped before its socket took it was for", "",
		func(types *btf.Spec) error { return takesArguments(types, "kfree_skb", 4) }}
	ResetReasons = Reduction{"reset_reasons", "the reasons of TCP resets", "",
		func(types *btf.Spec) error { return takesArguments(types, "tcp_send_reset", 3) }}
	ListenOverflows = Reduction{"listen_overflows", "the count of full queues of TCP listeners", "",
		func(types *btf.Spec) error { return namesReason(types, "TCP_LISTEN_OVERFLOW") }}
	InstantConnects = Reduction{"instant_connects", "TCP connects that fail before anything is sent, and UDP's",
		"use a kernel that lets programs attach to functions (fexit), or set sync_failures to syscalls, which slows every system call",
		func(types *btf.Spec) error { return takesTrampoline(types, "tcp_v4_connect") }}
	// AnsweredConnects is lost only where the kernel refuses the hook that every kernel without a tracepoint for it has.
	AnsweredConnects = Reduction{"answered_connects", "why connects fail that are answered by ICMP: they look given up", "",
		func(*btf.Spec) error { return nil }}
	IndirectConnects = Reduction{"indirect_connects",
		"connects that end at once by io_uring, by sendto (TCP Fast Open), or of 32-bit processes",
		"use a kernel that lets programs attach to functions (fexit)",
		func(types *btf.Spec) error { return takesTrampoline(types, "tcp_v4_connect") }}
	Acceptors = Reduction{"acceptors", "who accepted a connection, if that is not who listens",
		"use a kernel that lets programs attach to functions (fentry)",
		func(types *btf.Spec) error { return takesTrampoline(types, "security_sock_graft") }}
	OpenConnections = Reduction{"open_connections", "what connections carry before they end", "",
		tellsOpen}
	DropLocations = Reduction{"drop_locations", "the names of drop locations",
		"add the capability SYSLOG (and kernel.kptr_restrict below 2)",
		func(*btf.Spec) error { return symbolsShown(symbolsPath) }}
	PacketHeaders = Reduction{"packet_headers", "addresses, ports and protocols of dropped packets",
		"boot without lockdown mode confidentiality",
		func(types *btf.Spec) error { return readsMemory(types, asm.FnProbeReadKernel) }}
	ServiceNames = Reduction{"service_names", "the service names of workloads, which are in their environment",
		"run kerntap in the host's pid namespace (hostPID, pid: host) and add the capability SYS_PTRACE",
		func(*btf.Spec) error { return environmentsShown() }}
	ContainerIDs = Reduction{"container_ids", "the container and the pod of a process",
		"boot without lockdown mode confidentiality",
		func(types *btf.Spec) error { return readsMemory(types, asm.FnProbeReadKernelStr) }}
)
