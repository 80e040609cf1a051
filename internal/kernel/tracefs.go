package kernel

import (
	"fmt"
	"os"
)

// tracingPaths are where tracefs is mounted, the second by kernels and distributions of old.
func tracingPaths() []string { return []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} }

// SyscallTracepoint returns nil if programs can be attached to the tracepoints of a system call, else why not: their
// numbers stand in tracefs, which has to be mounted and readable, most often by root alone.
func SyscallTracepoint(call string) error { return syscallTracepoint(tracingPaths(), call) }

func syscallTracepoint(mounts []string, call string) error {
	var err error
	for _, mount := range mounts {
		if _, err = os.ReadFile(mount + "/events/syscalls/sys_enter_" + call + "/id"); err == nil {
			return nil
		}
		if _, absent := os.Stat(mount + "/events"); absent == nil || os.IsPermission(absent) {
			break
		}
	}
	return fmt.Errorf("read the tracepoints of system calls in tracefs: %w", err)
}
