package connection_test

import (
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// Every outcome of a connect, over every family and in every way, is recorded and counted as often as it happened.
func TestEveryConnectHasItsOneOutcome(t *testing.T) {
	tryInEveryWay(t, causes(), arrange)
}

// Where the only port is taken a connect fails.
func TestConnectsWithoutAPortHaveTheirOneOutcome(t *testing.T) {
	exhausted := cause{name: "exhausted", v4: "127.0.0.1:0", v6: "[::1]:0", ways: waits("mptcp"),
		errno: syscall.EADDRNOTAVAIL, failed: true}
	tryInEveryWay(t, []cause{exhausted}, func(t *testing.T) scene {
		ns := bpftest.NewNamespace(t)
		servers := serve(t, ns)
		ns.Run(t, "sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=40000 40000")
		for _, family := range []string{"4", "6"} {
			holder := ns.StartHelper(t, "kt-holder", "hold")
			holder.Send(t, servers["sink"+family].String())
			holder.Line(t)
		}
		return scene{ns: ns, servers: servers}
	})
}

// What a cgroup's program forbids is not sent.
func TestForbiddenConnectsHaveTheirOneOutcome(t *testing.T) {
	forbidden := cause{name: "forbidden", v4: "127.0.0.1:1", v6: "[::1]:1", ways: waits("mptcp"),
		errno: syscall.EPERM, failed: true, instant: true}
	tryInEveryWay(t, []cause{forbidden}, func(t *testing.T) scene {
		root := bpftest.UnifiedCgroups(t)
		const group = "kerntap-forbidden"
		var once sync.Once
		return scene{ns: bpftest.NewNamespace(t), prepare: func(p *bpftest.Process) {
			bpftest.Cgroup(t, root, group, p.PID)
			once.Do(func() { forbidConnects(t, filepath.Join(root, group)) })
		}}
	})
}

// forbidConnects forbids the processes of a cgroup to connect.
func forbidConnects(t *testing.T, cgroup string) {
	t.Helper()
	for _, kind := range []ebpf.AttachType{ebpf.AttachCGroupInet4Connect, ebpf.AttachCGroupInet6Connect} {
		program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.CGroupSockAddr, AttachType: kind, License: "GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}})
		if err != nil {
			t.Fatal(err)
		}
		defer program.Close()
		attached, err := link.AttachCgroup(link.CgroupOptions{Path: cgroup, Attach: kind, Program: program})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { attached.Close() })
	}
}
