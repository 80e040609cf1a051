package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/kernel"
)

// host is what the kernel and the privileges of this process allow.
type host struct {
	features   kernel.Features
	privileges kernel.Privileges
	// usable says why no program can run at all, nil if one may.
	usable error
	// mapBytes is what all maps may take; kernel.MapsUnlimited where nothing limits them.
	mapBytes uint64
}

// probeHost finds out what is allowed here, and takes all of that.
func probeHost() (host, error) {
	if err := kernel.RaisePrivileges(); err != nil {
		return host{}, err
	}
	mapBytes, err := kernel.RaiseMemoryLock()
	if err != nil {
		return host{}, err
	}
	privileges, err := kernel.ReadPrivileges(os.DirFS("/"))
	if err != nil {
		return host{}, err
	}
	h := host{features: kernel.Probe(), privileges: privileges, mapBytes: mapBytes}
	h.usable = privileges.MayLoad()
	if h.usable == nil {
		h.usable = h.features.Usable()
	}
	return h, nil
}

// capabilityNames are the capabilities that matter to kerntap.
var capabilityNames = map[int]string{
	unix.CAP_BPF:       "BPF",
	unix.CAP_PERFMON:   "PERFMON",
	unix.CAP_SYS_ADMIN: "SYS_ADMIN",
	unix.CAP_SYSLOG:    "SYSLOG",
	// for locked memory beyond its limit
	unix.CAP_SYS_RESOURCE: "SYS_RESOURCE",
}

// capabilities lists those of capabilityNames that this process has.
func (h host) capabilities() []string {
	var names []string
	for capability, name := range capabilityNames {
		if h.privileges.Has(capability) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// describe says in a few words as whom kerntap runs.
func (h host) describe() string {
	names := strings.Join(h.capabilities(), ", ")
	if names == "" {
		names = "no capability that helps"
	}
	return fmt.Sprintf("uid %d with %s", h.privileges.UID, names)
}

// lockedPrograms is what is taken of the memory for maps beside the maps of programs: programs themselves, maps that
// serve a moment.
const lockedPrograms = 512 << 10

// lockedBytes is what the maps of each of n programs, and those that all share, may take of locked memory, 0 if that does not limit them.
func (h host) lockedBytes(n int) uint64 {
	if h.mapBytes == kernel.MapsUnlimited {
		return 0
	}
	return max(1, (h.mapBytes-min(lockedPrograms, h.mapBytes))/uint64(n+1)) // one part is for the maps that all share
}

// selfPID is kerntap's own process id as the kernel numbers it, 0 if the kernel does not tell.
func selfPID(log *slog.Logger) uint32 {
	pid, err := kernel.SelfPID()
	if err != nil {
		log.Warn("kerntap's own traffic cannot be left out", "error", err)
	}
	return pid
}
