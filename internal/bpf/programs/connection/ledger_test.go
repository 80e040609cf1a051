package connection_test

import (
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
)

func TestOwnTrafficIsFilteredAndCounted(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	session := bpf.NewSession(nil)
	session.SelfPID = uint32(os.Getpid())
	t.Cleanup(func() { session.Close() })
	program := connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session))
	recorder := bpftest.Start(t, program)
	ns.Do(func() {
		if conn, err := net.Dial("tcp", "127.0.0.1:1"); err == nil {
			conn.Close()
		}
	})
	recorder.Stop(t)
	if seen := bpftest.Find(recorder, func(e *connection.Event) bool { return e.NetNS == ns.Inode }); len(seen) != 0 {
		t.Errorf("%d events of kerntap's own traffic", len(seen))
	}
	if stats := program.Status().Stats; stats.Filtered == 0 {
		t.Errorf("nothing was counted as filtered: %+v", stats)
	}
}

// Programs wake the reader less often than they write: what was written in between must not wait for the next wake-up.
func TestTheLastOfABurstArrivesByItself(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	const burst, rounds = 3, 20
	for round := range rounds {
		ns.Do(func() {
			for range burst {
				if conn, err := net.Dial("tcp", "127.0.0.1:1"); err == nil {
					conn.Close()
				}
			}
		})
		wanted := burst * (round + 1)
		match := is(ns, connection.RoleClient, connection.OutcomeFailed)
		if found := bpftest.AwaitN(recorder, wanted, 2*time.Second, match); len(found) != wanted {
			t.Fatalf("%d of %d events arrived within two seconds", len(found), wanted)
		}
	}
}

// What clients on this machine do at kerntap's own ports is not reported; the same port of another host is.
func TestClientsOfKerntapAreItsOwnTraffic(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	ns.Run(t, "ip", "address", "add", "192.0.2.1/32", "dev", "lo")
	session := bpf.NewSession(nil)
	session.SelfNetNS, session.SelfPorts = ns.Inode, [2]uint16{4319, 0}
	t.Cleanup(func() { session.Close() })
	recorder := bpftest.Start(t, connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session)))
	caller := ns.StartHelper(t, "kt-caller", "client")
	for _, address := range []string{"127.0.0.1:4319", "192.0.2.1:4319", "[::1]:4319", "127.0.0.2:4319", "127.0.0.1:4318"} {
		caller.Send(t, address)
		caller.Line(t)
	}
	recorder.Stop(t)
	var peers []string
	for _, e := range bpftest.Find(recorder, is(ns, connection.RoleClient, connection.OutcomeFailed)) {
		peers = append(peers, e.Peer.String())
	}
	// 127.0.0.2 is called from 127.0.0.1: another address, which might be somebody else's.
	if want := []string{"127.0.0.2:4319", "127.0.0.1:4318"}; !slices.Equal(peers, want) {
		t.Errorf("reported are %v, want %v", peers, want)
	}
}
