package packet_drop_test

import (
	"net/netip"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

// A packet belongs to the namespace of its socket, or of the device that it came in on.
func TestTheScopeIsOneNetworkNamespace(t *testing.T) {
	inside, outside := bpftest.NewNamespace(t), bpftest.NewNamespace(t)
	session := bpf.NewSession(nil)
	session.ScopeNetNS = inside.Inode
	t.Cleanup(func() { session.Close() })
	program := packet_drop.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session))
	recorder := bpftest.Start(t, program)
	const n = 10
	destinations := []string{"127.0.0.1:40009", "127.0.0.1:40010", "127.0.0.1:40012"} // input, output, no socket
	for _, ns := range []*bpftest.Namespace{outside, inside} {
		ns.Firewall(t, firewall)
		for _, destination := range destinations {
			datagrams(t, ns, destination, n, []byte("whose?"))
		}
	}
	recorder.Stop(t)
	for _, destination := range destinations {
		if found := bpftest.Find(recorder, to(netip.MustParseAddrPort(destination))); len(found) != n {
			t.Errorf("%s: %d packets, want %d", destination, len(found), n)
		}
	}
	if found := bpftest.Find(recorder, func(e *packet_drop.Event) bool { return e.NetNS != inside.Inode }); len(found) != 0 {
		t.Errorf("%d packets of other namespaces, the first: %s", len(found), found[0].Body())
	}
	if stats := program.Status().Stats; stats.Filtered < uint64(n*len(destinations)) {
		t.Errorf("%+v, want at least %d filtered", stats, n*len(destinations))
	}
}
