package connection_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/telemetry"
	"github.com/kerntap/kerntap/internal/workload"
)

// Rows tell apart what metrics are asked to, and nothing else.
func TestRowsTellApartWhatMetricsAreAskedTo(t *testing.T) {
	container := strings.Repeat("0123456789abcdef", 4)
	pod := "9f4a1b2c-3d4e-5f60-7182-93a4b5c6d7e8"
	for _, test := range []struct {
		attributes []string
		identity   workload.Identity
		executable string
		port       bool
	}{
		{nil, workload.Identity{}, "", false},
		{[]string{telemetry.ContainerID}, workload.Identity{ContainerID: container}, "", false},
		{[]string{telemetry.K8SPodUID}, workload.Identity{PodUID: pod}, "", false},
		{[]string{telemetry.ProcessExecutable, telemetry.ServerPort}, workload.Identity{}, "kt-rows", true},
	} {
		t.Run(strings.Join(test.attributes, ","), func(t *testing.T) {
			ns := bpftest.NewNamespace(t)
			session := bpf.NewSession(nil)
			session.RowsBy = bpf.RowsByAttributes(test.attributes)
			t.Cleanup(func() { session.Close() })
			recorder := bpftest.Start(t, connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session)))
			server := ns.StartHelper(t, "kt-rows", "server", "127.0.0.1:0")
			address := netip.MustParseAddrPort(server.Line(t))
			caller := ns.StartHelper(t, "kt-rows", "client")
			bpftest.Cgroup(t, bpftest.CgroupRoots(t)[0], "kubepods/pod"+pod+"/"+container, caller.PID)
			caller.Send(t, address.String())
			caller.Line(t)
			recorder.Stop(t)
			for _, role := range []connection.Role{connection.RoleClient, connection.RoleServer} {
				tallies := bpftest.Find(recorder, func(e *connection.Tally) bool {
					return e.Command == "kt-rows" && e.Role == role && e.Outcome == connection.OutcomeOpened
				})
				if len(tallies) != 1 {
					t.Fatalf("%d tallies of the %s", len(tallies), role)
				}
				e, identity := tallies[0], test.identity
				if role == connection.RoleServer {
					identity = workload.Identity{} // it runs outside of the container
				}
				if e.N != 1 || e.GetWorkload() != identity || e.Executable != test.executable {
					t.Errorf("%s: %d of %q in %+v, want %q in %+v", role, e.N, e.Executable, e.GetWorkload(), test.executable, identity)
				}
				if want := address.Port(); test.port && e.Port != want || !test.port && e.Port != 0 {
					t.Errorf("%s: port %d, the server's is %d", role, e.Port, want)
				}
			}
		})
	}
}
