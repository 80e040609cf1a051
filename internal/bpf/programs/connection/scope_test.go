package connection_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
)

func TestTheContainerIsThatOfTheOwnersCgroup(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	uid := "9f4a1b2c-3d4e-5f60-7182-93a4b5c6d7e8"
	tests := []struct{ name, cgroup, container, pod string }{
		{"kt-docker", "docker/" + id, id, ""},
		{"kt-pod", "kubepods/burstable/pod" + uid + "/" + id, id, uid},
		{"kt-systemd", "kubepods.slice/kubepods-pod" + strings.ReplaceAll(uid, "-", "_") + ".slice/cri-containerd-" + id + ".scope", id, uid},
		{"kt-inner", "docker/" + id + "/init.scope", id, ""},
		{"kt-service", "system.slice/nginx.service", "", ""},
	}
	roots, ns, recorder := bpftest.CgroupRoots(t), bpftest.NewNamespace(t), start(t)
	for _, root := range roots {
		for _, test := range tests {
			t.Run(filepath.Base(root)+" "+test.name, func(t *testing.T) {
				caller := ns.StartHelper(t, test.name, "client")
				bpftest.Cgroup(t, root, test.cgroup, caller.PID)
				caller.Send(t, "127.0.0.1:1")
				caller.Line(t)
				e := bpftest.Await(t, recorder, "refused", func(e *connection.Event) bool {
					return e.NetNS == ns.Inode && e.PID == caller.PID && e.Outcome == connection.OutcomeFailed
				})
				if e.GetWorkload().ContainerID != test.container || e.GetWorkload().PodUID != test.pod {
					t.Errorf("%+v, want container %q, pod %q", e.GetWorkload(), test.container, test.pod)
				}
			})
		}
	}
}

func TestTheScopeIsOneNetworkNamespace(t *testing.T) {
	inside, outside := bpftest.NewNamespace(t), bpftest.NewNamespace(t)
	session := bpf.NewSession(nil)
	session.ScopeNetNS = inside.Inode
	t.Cleanup(func() { session.Close() })
	program := connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session))
	recorder := bpftest.Start(t, program)
	const attempts = 10
	for _, ns := range []*bpftest.Namespace{outside, inside} {
		caller := ns.StartHelper(t, "kt-scope", "client")
		for range attempts {
			caller.Send(t, "127.0.0.1:1")
			caller.Line(t)
		}
	}
	recorder.Stop(t)
	if found := bpftest.Find(recorder, is(inside, connection.RoleClient, connection.OutcomeFailed)); len(found) != attempts {
		t.Errorf("%d events of the namespace, want %d", len(found), attempts)
	}
	if found := bpftest.Find(recorder, func(e *connection.Event) bool { return e.NetNS != inside.Inode }); len(found) != 0 {
		t.Errorf("%d events of other namespaces", len(found))
	}
	if stats := program.Status().Stats; stats.Filtered < attempts || stats.Recorded != attempts {
		t.Errorf("%+v, want %d recorded and at least as many filtered", stats, attempts)
	}
}
