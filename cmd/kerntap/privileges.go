package main

import (
	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/kernel"
)

// dropPrivileges gives up what was needed to load and attach. Where maps cannot be read without privileges the one that
// allows it stays.
func (e *engine) dropPrivileges(env environment, h host) error {
	if env.drop == nil {
		return nil
	}
	err := kernel.TryUnprivileged(e.loader.TryReading)
	if err == nil {
		return env.drop()
	}
	e.log.Info("a capability is kept, without which maps cannot be read here", "capability", capabilityNames[h.reading()], "reason", oneLine(err))
	return env.drop(h.reading())
}

// reading is the capability that allows to read maps where not everybody may.
func (h host) reading() int {
	if h.privileges.Has(unix.CAP_BPF) {
		return unix.CAP_BPF
	}
	return unix.CAP_SYS_ADMIN
}
