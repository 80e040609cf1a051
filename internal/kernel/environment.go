package kernel

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// environmentsShown returns nil if the environment of processes may be read, other users' too, by the pids that the kernel
// gives its programs.
func environmentsShown() error {
	pid, err := SelfPID()
	if err != nil {
		return fmt.Errorf("find kerntap's own pid: %w", err)
	}
	if int(pid) != os.Getpid() {
		return errors.New("kerntap runs in a pid namespace of its own")
	}
	privileges, err := ReadPrivileges(os.DirFS("/"))
	if err != nil {
		return err
	}
	if !privileges.InitialUserNamespace || !privileges.Has(unix.CAP_SYS_PTRACE) {
		return errors.New("the capability SYS_PTRACE in the initial user namespace is missing, so only processes of the same user are read")
	}
	return nil
}
