package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// A collector whose name nobody knows at first, and whose name goes away with it later, gets every record of a whole
// kerntap, and what that says of them adds up to the unit.
func TestACollectorWhoseNameIsGoneGetsEverything(t *testing.T) {
	const n, command = 500, "kt-nameless"
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol[:4], func(t *testing.T) {
			t.Parallel()
			ns, collector := newPlace(t), new(witness)
			names := ns.startNameServer(t)
			names.Gone.Store(true)
			port, stop := collector.startIn(t, ns, protocol, 0)
			defer func() { stop() }()
			kerntap := ns.start(t, watching(command, protocol, "collector.example.com", port), "--programs", "connection",
				"--metric-interval", "500ms", "--throttle-row", "off", "--throttle-program", "off")
			var asked int32
			for round := range 2 {
				ns.StartHelper(t, command, "dialPaced", strconv.Itoa(n), "1000").End(t)
				bpftest.Until(t, "records wait for the collector", func() bool {
					e := healthAccount(t, ns.api).Exporter
					return e.Destinations[0].Waiting && e.Emitted == uint64((round+1)*n) && e.Exported == uint64(round*n)
				})
				// Over gRPC an address is remembered for half a minute: then it is the collector alone that is away.
				if (protocol != "grpc" || round == 0) && names.Asked.Load() == asked {
					t.Errorf("nobody has asked for the name in round %d", round)
				}
				if round > 0 {
					_, stop = collector.startIn(t, ns, protocol, port)
				}
				names.Gone.Store(false)
				checkAccount(t, ns.api)
				if round == 0 {
					names.Gone.Store(true)
					stop()
					asked = names.Asked.Load()
				}
			}
			collector.checkEnd(t, ns, kerntap, 2*n, "")
		})
	}
}

// startNameServer has a kerntap that starts in the place ask a server of its own for names.
func (p *place) startNameServer(t *testing.T) *bpftest.NameServer {
	t.Helper()
	var conn net.PacketConn
	var err error
	p.Do(func() { conn, err = net.ListenPacket("udp", "127.0.0.1:53") })
	if err != nil {
		t.Fatal(err)
	}
	p.names = filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(p.names, fmt.Appendln(nil, "nameserver 127.0.0.1"), 0o600); err != nil {
		t.Fatal(err)
	}
	return bpftest.StartNameServer(t, conn)
}
