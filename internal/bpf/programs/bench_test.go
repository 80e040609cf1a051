package programs_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs"
)

// attached starts one program of the list and returns one of its functions in the kernel.
func attached(b *testing.B, name, function string) *ebpf.Program {
	b.Helper()
	known := make(map[object]bool)
	for _, o := range kernelObjects(b) {
		known[o] = true
	}
	for _, entry := range programs.All() {
		if entry.Name != name {
			continue
		}
		session := bpf.NewSession(nil)
		session.Throttle = bpf.Throttle{Row: 5, Program: 100, First: 200}
		b.Cleanup(func() { session.Close() })
		program, err := entry.New(defaults{}, bpf.NewInMemoryStorage(), bpf.WithSession(session))
		if err != nil {
			b.Fatal(err)
		}
		bpftest.Start(b, program)
	}
	for _, o := range kernelObjects(b) {
		if o.kind != "prog" || known[o] {
			continue
		}
		program, err := ebpf.NewProgramFromID(ebpf.ProgramID(o.id))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { program.Close() })
		if info, err := program.Info(); err == nil && strings.HasPrefix(info.Name, function) {
			return program
		}
	}
	b.Fatalf("function %s of program %s is not in the kernel", function, name)
	return nil
}

// perRun returns the mean time of a run so far.
func perRun(b *testing.B, program *ebpf.Program) float64 {
	b.Helper()
	stats, err := program.Stats()
	if err != nil {
		b.Fatal(err)
	}
	if stats.RunCount == 0 {
		b.Fatal("the hook did not fire")
	}
	return float64(stats.Runtime.Nanoseconds()) / float64(stats.RunCount)
}

// compare runs the load under both programs at once: they see the same events on the same machine.
func compare(b *testing.B, name, function, tracepoint string, load func()) {
	statistics, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		b.Fatal(err)
	}
	defer statistics.Close()
	bare := bpftest.StartFloor(b, tracepoint)
	ours := attached(b, name, function)
	b.ResetTimer()
	load()
	b.StopTimer()
	b.ReportMetric(perRun(b, ours), "ns-kerntap/run")
	b.ReportMetric(perRun(b, bare.Program), "ns-floor/run")
}

// BenchmarkPacketDrop sends datagrams that the firewall drops.
func BenchmarkPacketDrop(b *testing.B) {
	ns := bpftest.NewNamespace(b)
	ns.Firewall(b, "add table inet t; add chain inet t in { type filter hook input priority 0; }; add rule inet t in udp dport 9 drop")
	compare(b, "packet_drop", "packet_drop_kfr", "kfree_skb", func() {
		ns.Do(func() {
			conn, err := net.Dial("udp", "127.0.0.1:9")
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close()
			for range b.N {
				conn.Write([]byte("dropped"))
			}
		})
	})
}

// BenchmarkConnection opens and closes connections: some ten changes of state each, of which four are events.
func BenchmarkConnection(b *testing.B) {
	ns := bpftest.NewNamespace(b)
	var listener net.Listener
	ns.Do(func() {
		var err error
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			b.Fatal(err)
		}
	})
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	defer func() {
		listener.Close()
		<-accepted
	}()
	compare(b, "connection", "connection_stat", "inet_sock_set_state", func() {
		ns.Do(func() {
			for range b.N {
				conn, err := net.Dial("tcp", listener.Addr().String())
				if err != nil {
					b.Error(err)
					return
				}
				conn.Close()
			}
		})
	})
}

// BenchmarkConnectionError refuses connections, each of which the kernel reports as an error of a socket.
func BenchmarkConnectionError(b *testing.B) {
	ns := bpftest.NewNamespace(b)
	compare(b, "connection", "connection_erro", "inet_sk_error_report", func() {
		ns.Do(func() {
			for range b.N {
				if conn, err := net.Dial("tcp", "127.0.0.1:1"); err == nil {
					conn.Close()
				}
			}
		})
	})
}
