package kernel

import (
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
)

func TestSelfPIDIsThisProcess(t *testing.T) {
	if err := features.HaveMapType(ebpf.RingBuf); err != nil {
		missing(t, "CAP_BPF and CAP_PERFMON: "+err.Error())
	}
	pid, err := SelfPID()
	if err != nil {
		t.Fatal(err)
	}
	// The test runs in the initial pid namespace or in one of its own: in both /proc/self names the process there.
	if inInitialPIDNamespace(t) && int(pid) != os.Getpid() {
		t.Errorf("SelfPID() = %d, want %d", pid, os.Getpid())
	}
	if pid == 0 {
		t.Error("SelfPID() = 0")
	}
}

// inInitialPIDNamespace compares with the inode that the kernel gives the initial pid namespace (PROC_PID_INIT_INO in
// include/linux/proc_ns.h).
func inInitialPIDNamespace(t *testing.T) bool {
	t.Helper()
	link, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	return link == "pid:[4026531836]"
}
