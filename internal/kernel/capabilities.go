package kernel

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// useful are the capabilities that kerntap has a use for. CAP_SYS_ADMIN stands for the first two where an engine does not
// know them; CAP_SYS_RESOURCE lifts the limit of locked memory where that holds maps; CAP_SYS_PTRACE shows the environment of
// others, if that is asked for.
var useful = [...]cap.Value{cap.BPF, cap.PERFMON, cap.SYSLOG, cap.SYS_ADMIN, cap.SYS_RESOURCE, cap.SYS_PTRACE}

// RaisePrivileges makes those capabilities effective that kerntap has a use for and that it is only permitted, in all
// threads. So a file may grant them to whoever runs it without being refused where a container's bounds lack one
// (setcap cap_bpf,cap_perfmon=p).
func RaisePrivileges() error {
	set := cap.GetProc()
	raised := false
	for _, value := range useful {
		permitted, _ := set.GetFlag(cap.Permitted, value) // fails on capabilities that no kernel has
		effective, _ := set.GetFlag(cap.Effective, value)
		if !permitted || effective {
			continue
		}
		if err := set.SetFlag(cap.Effective, true, value); err != nil {
			return fmt.Errorf("raise %v: %w", value, err)
		}
		raised = true
	}
	if !raised {
		return nil
	}
	if err := set.SetProc(); err != nil {
		return fmt.Errorf("raise capabilities: %w", err)
	}
	return nil
}

// DropPrivileges gives up every capability in all threads, but for those of keep that the process has (unix.CAP_BPF, …).
// Neither this process nor one that it starts gets any of them back.
func DropPrivileges(keep ...int) error {
	// Without it a program that uid 0 starts, or a file with capabilities, would get them back.
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	before, after := cap.GetProc(), cap.NewSet()
	for _, capability := range keep {
		value := cap.Value(capability)
		if has, err := before.GetFlag(cap.Effective, value); err != nil || !has {
			continue
		}
		err := errors.Join(after.SetFlag(cap.Permitted, true, value), after.SetFlag(cap.Effective, true, value))
		if err != nil {
			return fmt.Errorf("keep %v: %w", value, err)
		}
	}
	if err := after.SetProc(); err != nil { // what is ambient goes with what is permitted
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// TryUnprivileged runs do on a thread that has no effective capability, and gives them back to it afterwards. Other
// threads keep theirs meanwhile.
func TryUnprivileged(do func() error) error {
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3} // of the calling thread
	var before [2]unix.CapUserData
	if err := unix.Capget(&header, &before[0]); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("read a thread's capabilities: %w", err)
	}
	without := before
	without[0].Effective, without[1].Effective = 0, 0
	if err := unix.Capset(&header, &without[0]); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("lower a thread's capabilities: %w", err)
	}
	err := do()
	if restoreErr := unix.Capset(&header, &before[0]); restoreErr != nil {
		// A thread that stays locked ends with its goroutine: nobody else runs without capabilities unawares.
		return errors.Join(err, fmt.Errorf("give a thread's capabilities back: %w", restoreErr))
	}
	runtime.UnlockOSThread()
	return err
}
