package kernel

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

const softLock, hardLock = uint64(64 << 10), uint64(4 << 20)

// limitAndLock has lockAndMake run below low limits, as root and as an ordinary user.
func limitAndLock() error {
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: softLock, Max: hardLock}); err != nil {
		return err
	}
	for _, prepare := range []func(*exec.Cmd){as(unix.CAP_BPF, unix.CAP_PERFMON), func(*exec.Cmd) {}} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), roleVariable+"=lock")
		prepare(cmd)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		fmt.Print(string(out))
	}
	return nil
}

// lockAndMake raises the limit and sees whether maps may take as much as it is told, and no more.
func lockAndMake() error {
	if err := RaisePrivileges(); err != nil {
		return err
	}
	limit, err := RaiseMemoryLock()
	if err != nil {
		return err
	}
	var rlimit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &rlimit); err != nil {
		return err
	}
	fmt.Println(limit, rlimit.Cur, makesMap(2<<20), makesMap(16<<20))
	return nil
}

func makesMap(bytes uint32) bool {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 1 << 10, MaxEntries: bytes >> 10})
	if err != nil {
		return false
	}
	return m.Close() == nil
}

func TestMemoryForMapsIsAsMuchAsItSays(t *testing.T) {
	requireRoot(t)
	unlimited := fmt.Sprintln(MapsUnlimited, softLock, true, true)
	limited := fmt.Sprintln(hardLock, hardLock, true, false)
	raised := fmt.Sprintln(MapsUnlimited, MapsUnlimited, true, true)
	said := play(t, "limit", func(*exec.Cmd) {})
	if said != unlimited+unlimited && said != limited+raised {
		t.Errorf("as a user, as root: bytes for maps, limit, 2 MiB, 16 MiB\n%s", said)
	}
	t.Log(said)
}
