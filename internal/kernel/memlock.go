package kernel

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MapsUnlimited says that nothing but the machine's memory limits maps.
const MapsUnlimited = uint64(unix.RLIM_INFINITY)

// RaiseMemoryLock returns how many bytes maps may take. Before Linux 5.11 the limit of locked memory must hold them; it is
// raised as far as this process may. Whether the limit counts is tried: for a moment it is 0. Call it before anything
// else locks memory or makes maps.
func RaiseMemoryLock() (uint64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return 0, fmt.Errorf("read the limit of locked memory: %w", err)
	}
	counts, err := memoryLockCounts(limit)
	if err != nil || !counts {
		return MapsUnlimited, err
	}
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unlimited); err == nil {
		return MapsUnlimited, nil
	}
	// That takes CAP_SYS_RESOURCE; up to the hard limit it takes nothing.
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: limit.Max, Max: limit.Max}); err != nil {
		return limit.Cur, fmt.Errorf("raise the limit of locked memory: %w", err)
	}
	return limit.Max, nil
}

// memoryLockCounts tries whether a map needs locked memory. Where no map can be made at all it does not matter.
func memoryLockCounts(limit unix.Rlimit) (bool, error) {
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		return false, fmt.Errorf("lower the limit of locked memory: %w", err)
	}
	without := makeMap()
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: limit.Max, Max: limit.Max}); err != nil {
		return false, fmt.Errorf("raise the limit of locked memory: %w", err)
	}
	counts := errors.Is(without, unix.EPERM) && (makeMap() == nil || unlimitedHelps())
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return false, fmt.Errorf("give the limit of locked memory back: %w", err)
	}
	return counts, nil
}

// unlimitedHelps tells whether a map can be made without a limit, where that may be lifted: the hard limit may be taken up by
// the maps of a process that has just ended, which the kernel releases a little later.
func unlimitedHelps() bool {
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	return unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unlimited) == nil && makeMap() == nil
}

// makeMap makes a small map and closes it. It asks the kernel itself: a library that probes for features while there is
// no memory for maps remembers that there are none.
func makeMap() error {
	const mapCreate, array = 0, 2 // BPF_MAP_CREATE, BPF_MAP_TYPE_ARRAY
	attributes := struct{ kind, keySize, valueSize, entries, flags uint32 }{kind: array, keySize: 4, valueSize: 4, entries: 1}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, mapCreate, uintptr(unsafe.Pointer(&attributes)), unsafe.Sizeof(attributes))
	if errno != 0 {
		return errno
	}
	return unix.Close(int(fd))
}
