package main

import (
	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/kernel"
)

// dropPrivileges gives up what was needed to load and attach. Where maps cannot be read without privileges the one that
// allows it stays, and where the environment of workloads is to be read the one that shows it.
func (e *engine) dropPrivileges(env environment, h host) error {
	if env.drop == nil {
		return nil
	}
	var keep []int
	if e.session.ReadServiceNames() {
		keep = append(keep, unix.CAP_SYS_PTRACE)
	}
	if err := kernel.TryUnprivileged(e.loader.TryReading); err != nil {
		e.log.Info("a capability is kept, without which maps cannot be read here", "capability", capabilityNames[h.reading()], "reason", oneLine(err))
		keep = append(keep, h.reading())
	}
	return env.drop(keep...)
}

// reading is the capability that allows to read maps where not everybody may.
func (h host) reading() int {
	if h.privileges.Has(unix.CAP_BPF) {
		return unix.CAP_BPF
	}
	return unix.CAP_SYS_ADMIN
}
