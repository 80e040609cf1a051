package kernel

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Privileges are what the kernel grants this process.
type Privileges struct {
	// UID is the effective user id.
	UID uint32
	// Effective is the effective capability set, a bit for each capability.
	Effective uint64
	// NoNewPrivs tells that executing a program cannot raise privileges: neither sudo nor file capabilities work.
	NoNewPrivs bool
	// InitialUserNamespace tells whether capabilities count for BPF at all.
	InitialUserNamespace bool
	// Lockdown is the kernel's lockdown mode: none, integrity or confidentiality, and "" where it is not shown.
	Lockdown string
	// MemoryLock is the soft limit of locked memory in bytes, which must hold all maps before Linux 5.11;
	// unix.RLIM_INFINITY is no limit.
	MemoryLock uint64
}

// Has tells whether a capability (unix.CAP_BPF, …) is effective. In a nested user namespace it counts there only.
func (p Privileges) Has(capability int) bool {
	return capability >= 0 && capability < 64 && p.Effective>>capability&1 == 1
}

// MayLoad returns nil if this process may load and attach programs, else one line that says what is missing and how to
// get it. It judges by capabilities; a kernel or a security module can still refuse.
func (p Privileges) MayLoad() error {
	if !p.InitialUserNamespace {
		return errors.New("this is a rootless container or user namespace: capabilities count only in the initial " +
			"user namespace; run kerntap with a rootful engine or on the host")
	}
	missing := p.missing()
	if len(missing) == 0 {
		return nil
	}
	list := strings.Join(missing, " and ")
	if p.UID == 0 {
		return fmt.Errorf("missing %s although uid 0: in a container add cap_add: [BPF, PERFMON] "+
			"(or [SYS_ADMIN] where the engine does not know them)", list)
	}
	return fmt.Errorf("missing %s: run as root (sudo kerntap …), or in a container add cap_add: [BPF, PERFMON] "+
		"and run as uid 0", list)
}

// missing names the capabilities that loading needs. CAP_SYS_ADMIN stands for both, and is the only way before 5.8.
func (p Privileges) missing() []string {
	var names []string
	if p.Has(unix.CAP_SYS_ADMIN) {
		return nil
	}
	if !p.Has(unix.CAP_BPF) {
		names = append(names, "CAP_BPF")
	}
	if !p.Has(unix.CAP_PERFMON) {
		names = append(names, "CAP_PERFMON")
	}
	return names
}
