package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ReadPrivileges reads the privileges of this process from the file system at root, os.DirFS("/") but for tests:
// proc/self/status, uid_map and limits, and sys/kernel/security/lockdown. Only proc/self/status must be there.
func ReadPrivileges(root fs.FS) (Privileges, error) {
	status, err := fs.ReadFile(root, "proc/self/status")
	if err != nil {
		return Privileges{}, fmt.Errorf("read privileges: %w", err)
	}
	p, err := parseStatus(string(status))
	if err != nil {
		return Privileges{}, fmt.Errorf("read privileges from /proc/self/status: %w", err)
	}
	uidMap, err := fs.ReadFile(root, "proc/self/uid_map")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// The kernel was built without user namespaces, so there is none but the initial one.
		p.InitialUserNamespace = true
	case err != nil:
		return Privileges{}, fmt.Errorf("read privileges: %w", err)
	default:
		p.InitialUserNamespace = isInitialUserNamespace(string(uidMap))
	}
	// The files below only explain; what cannot be read stays unknown.
	limits, _ := fs.ReadFile(root, "proc/self/limits")
	p.MemoryLock = parseMemoryLock(string(limits))
	lockdown, _ := fs.ReadFile(root, "sys/kernel/security/lockdown")
	p.Lockdown = parseLockdown(string(lockdown))
	return p, nil
}

// parseStatus takes uid, capabilities and no_new_privs from /proc/self/status.
func parseStatus(text string) (Privileges, error) {
	var p Privileges
	var uidErr, capErr error = errors.New("no line Uid"), errors.New("no line CapEff")
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		fields := strings.Fields(value)
		switch {
		case key == "Uid" && len(fields) == 4:
			// Real, effective, saved and file system uid.
			var uid uint64
			uid, uidErr = strconv.ParseUint(fields[1], 10, 32)
			p.UID = uint32(uid)
		case key == "CapEff" && len(fields) == 1:
			p.Effective, capErr = strconv.ParseUint(fields[0], 16, 64)
		case key == "NoNewPrivs" && len(fields) == 1:
			p.NoNewPrivs = fields[0] == "1"
		}
	}
	return p, errors.Join(uidErr, capErr)
}

// isInitialUserNamespace tells whether a uid_map maps every uid to itself, as that of the initial user namespace does.
func isInitialUserNamespace(uidMap string) bool {
	return slices.Equal(strings.Fields(uidMap), []string{"0", "0", "4294967295"})
}

// parseMemoryLock takes the soft limit of locked memory from /proc/self/limits; no limit if it is not shown.
func parseMemoryLock(limits string) uint64 {
	for lines := bufio.NewScanner(strings.NewReader(limits)); lines.Scan(); {
		values, found := strings.CutPrefix(lines.Text(), "Max locked memory")
		if fields := strings.Fields(values); found && len(fields) > 0 {
			if limit, err := strconv.ParseUint(fields[0], 10, 64); err == nil {
				return limit
			}
		}
	}
	return unix.RLIM_INFINITY
}

// parseLockdown returns the mode in brackets: "none [integrity] confidentiality". It is "" if none is.
func parseLockdown(text string) string {
	_, rest, _ := strings.Cut(text, "[")
	mode, _, closed := strings.Cut(rest, "]")
	if !closed {
		return ""
	}
	return mode
}
