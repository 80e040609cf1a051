package kernel

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// NetNS returns the inode number of this process's network namespace, which is how the kernel numbers namespaces.
func NetNS() (uint32, error) {
	var stat unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &stat); err != nil {
		return 0, fmt.Errorf("read own network namespace: %w", err)
	}
	return uint32(stat.Ino), nil
}
