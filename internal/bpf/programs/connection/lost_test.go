package connection_test

import (
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/kernel"
)

// A connection of which the kernel showed no program the end is open no longer, once the walk finds that its socket is gone.
// It has no duration, and the ends of others of the same command stay right.
func TestAConnectionWhoseEndWasNotSeenIsNotOpen(t *testing.T) {
	bpftest.RequireFeature(t, kernel.OpenConnections)
	ns := bpftest.NewNamespace(t)
	session := bpf.NewSession(nil)
	session.DrainEvery = 50 * time.Millisecond
	t.Cleanup(func() { session.Close() })
	recorder := bpftest.Start(t, connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session)))
	address := ns.StartHelper(t, "kt-l-server", "sink", "127.0.0.1:0").Line(t)
	const active, opened = "kerntap.tcp.active_connections client", "kerntap.tcp.connections client"
	first := ns.StartHelper(t, "kt-l-client", "talk", address)
	first.Line(t)
	until(t, recorder, "kt-l-client", map[string]float64{active: 1, opened: 1})
	bpftest.LoseSockets(t, "kt-l-client", "")
	until(t, recorder, "kt-l-client", map[string]float64{active: 0, opened: 1})
	second := ns.StartHelper(t, "kt-l-client", "talk", address)
	second.Line(t)
	until(t, recorder, "kt-l-client", map[string]float64{active: 1, opened: 2})
	first.End(t)
	second.End(t)
	bpftest.Await(t, recorder, "closed", is(ns, connection.RoleClient, connection.OutcomeClosed))
	recorder.Stop(t)
	sums := summed(recorder, "kt-l-client")
	if sums[active] != 0 || sums[opened] != 2 || sums["kerntap.tcp.connection.duration client"] != 1 {
		t.Errorf("%v: want none open, 2 opened and the duration of one", sums)
	}
}

// A socket that is destroyed does not take along an open connection that its address still stood for.
func TestADestroyedSocketForgetsNoOpenConnection(t *testing.T) {
	bpftest.RequireFeature(t, kernel.OpenConnections)
	ns := bpftest.NewNamespace(t)
	session := bpf.NewSession(nil)
	session.DrainEvery = time.Hour // the walk comes when all is over
	t.Cleanup(func() { session.Close() })
	recorder := bpftest.Start(t, connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session)))
	address := ns.StartHelper(t, "kt-f-server", "sink", "127.0.0.1:0").Line(t)
	lost, other := ns.StartHelper(t, "kt-f-client", "talk", address), ns.StartHelper(t, "kt-f-other", "talk", address)
	lost.Line(t)
	other.Line(t)
	bpftest.LoseSockets(t, "kt-f-client", "kt-f-other")
	other.End(t)
	lost.End(t)
	bpftest.AwaitN(recorder, 2, patience, func(e *connection.Event) bool {
		return e.NetNS == ns.Inode && e.Outcome == connection.OutcomeClosed && e.Command == "kt-f-server"
	})
	recorder.Stop(t)
	sums := summed(recorder, "kt-f-client")
	if sums["kerntap.tcp.active_connections client"] != 0 || sums["kerntap.tcp.connections client"] != 1 {
		t.Errorf("%v: want one opened and none open", sums)
	}
}
