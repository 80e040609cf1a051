package programs_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/kernel"
)

// BenchmarkWalkOf10000Sockets walks both ends of 5,000 open connections, of which each has carried something since the walk
// before.
func BenchmarkWalkOf10000Sockets(b *testing.B) {
	const connections = 5000
	bpftest.RequireFeature(b, kernel.OpenConnections)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 4 * connections, Max: 4 * connections}); err != nil {
		b.Skip("needs 20,000 files: ", err)
	}
	session := bpf.NewSession(nil)
	session.DrainEvery = time.Hour // nothing else walks
	b.Cleanup(func() { session.Close() })
	bpftest.Start(b, connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session)))
	walk := walkOf(b)
	conns := connect(b, connections)
	for b.Loop() {
		b.StopTimer()
		for _, conn := range conns {
			if _, err := conn.Write([]byte("more")); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		reader, err := walk.Open()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, reader); err != nil {
			b.Fatal(err)
		}
		reader.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/walk")
	b.ReportMetric(0, "ns/op")
}

// walkOf returns a walk of the running program's own, over the owners that it keeps.
func walkOf(b *testing.B) *link.Iter {
	b.Helper()
	var program *ebpf.Program
	var owners *ebpf.Map
	for _, o := range kernelObjects(b) {
		if o.kind == "prog" {
			found, err := ebpf.NewProgramFromID(ebpf.ProgramID(o.id))
			if err != nil {
				continue
			}
			b.Cleanup(func() { found.Close() })
			if info, err := found.Info(); err == nil && info.Name == "connection_open" {
				program = found
			}
			continue
		}
		found, err := ebpf.NewMapFromID(ebpf.MapID(o.id))
		if err != nil {
			continue
		}
		b.Cleanup(func() { found.Close() })
		if info, err := found.Info(); err == nil && info.Name == "owners" {
			owners = found
		}
	}
	if program == nil || owners == nil {
		b.Fatal("the walk or its map is not in the kernel")
	}
	walk, err := link.AttachIter(link.IterOptions{Program: program, Map: owners})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { walk.Close() })
	return walk
}

// connect opens so many connections in a network namespace, and returns their clients' ends.
func connect(b *testing.B, n int) []net.Conn {
	b.Helper()
	ns := bpftest.NewNamespace(b)
	conns := make([]net.Conn, 0, n)
	ns.Do(func() {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Error(err)
			return
		}
		defer listener.Close()
		for range n {
			conn, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				b.Error(err)
				return
			}
			b.Cleanup(func() { conn.Close() })
			accepted, err := listener.Accept()
			if err != nil {
				b.Error(err)
				return
			}
			b.Cleanup(func() { accepted.Close() })
			conns = append(conns, conn)
		}
	})
	return conns
}
