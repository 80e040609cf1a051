package packet_drop_test

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
	"github.com/kerntap/kerntap/internal/kernel"
)

const fullPort = 4013

// joined returns so many TCP connections over the wire, by both their ends.
func joined(t *testing.T, p *bpftest.Pair, port, n int) (clients, servers []*net.TCPConn) {
	t.Helper()
	var listener net.Listener
	var err error
	p.Far.Do(func() { listener, err = net.Listen("tcp4", fmt.Sprintf("%s:%d", bpftest.Far, port)) })
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for range n {
		var client, server net.Conn
		p.Near.Do(func() { client, err = net.Dial("tcp4", listener.Addr().String()) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		if server, err = listener.Accept(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Close() })
		clients, servers = append(clients, client.(*net.TCPConn)), append(servers, server.(*net.TCPConn))
	}
	return clients, servers
}

// A receive queue that has shrunk drops what its window had promised to take.
func TestWhatAFullTCPReceiveQueueDropsIsThatOfTheKernel(t *testing.T) {
	bpftest.Require(t)
	if !knownReasons(t)["PROTO_MEM"] {
		t.Skip("this kernel has no reason for it")
	}
	pair := bpftest.NewPair(t)
	recorder := startBesideConnections(t)
	clients, servers := joined(t, pair, fullPort, often)
	for i, client := range clients {
		if err := servers[i].SetReadBuffer(1); err != nil {
			t.Fatal(err)
		}
		for range 10 { // the first of them fill the queue
			if _, err := client.Write(make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
	}
	dropped := func() int { // in sequence and out of it
		return pair.Far.Counter(t, "netstat", "TcpExt", "TCPRcvQDrop") + pair.Far.Counter(t, "netstat", "TcpExt", "TCPOFODrop")
	}
	for deadline := time.Now().Add(10 * time.Second); dropped() < often && time.Now().Before(deadline); {
		<-time.After(50 * time.Millisecond)
	}
	pair.Near.Run(t, "ip", "link", "set", bpftest.Wire, "down") // nothing is sent again
	recorder.Stop(t)
	found := bpftest.Find(recorder, func(e *packet_drop.Event) bool { return e.Reason() == "PROTO_MEM" && e.Destination.Port() == fullPort })
	if truth := dropped(); len(found) != truth || truth < often {
		t.Errorf("%d records, the kernel counts %d", len(found), truth)
	}
	types, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	receivers := kernel.DropReceivers.Lost(types) == nil // the kernel tells for whom a packet was
	for _, e := range found {
		if e.Class() != packet_drop.ClassLoss || e.Source.Addr() != bpftest.Near {
			t.Fatalf("%s: %s", e.Class(), e.Body())
		}
		if e.PID != uint32(os.Getpid()) && (receivers || e.PID != 0) {
			t.Fatalf("of %s[%d]: %s", e.Command, e.PID, e.Body())
		}
	}
	if len(found) > 0 {
		t.Log(len(found), found[0].Body())
	}
}
