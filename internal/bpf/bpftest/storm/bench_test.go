package storm

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// bars are what a storm may cost.
type bars struct{ fewer, cpu float64 }

func (c *costs) print(events, event string, bar bars) {
	c.alone.line(events+" a second, alone", "%.0f")
	c.counted.line("… with programs that only count", "%.0f")
	c.watched.line("… with kerntap", "%.0f")
	fewer(c.counted, c.alone).line("fewer with programs that only count", "%.1f %%")
	fewer(c.watched, c.alone).line("fewer with kerntap", "%.1f %%", bar.fewer)
	if c.tooled != nil {
		fewer(c.tooled, c.alone).line("fewer with "+c.tool, "%.1f %%")
		c.lost.line("events that "+c.tool+" lost in a round", "%.0f")
	}
	c.cpu.line("kerntap's CPU in user space and its system calls", "%.1f %%", bar.cpu)
	c.resident.line("resident", "%.1f MB", 60)
	c.peak.line("… at its peak", "%.1f MB", 60)
	c.mapsClaimed.line("maps, as /api/programs says", "%.1f MiB", 32)
	c.maps.line("… as the kernel says", "%.1f MiB", 32)
	for _, function := range slices.Sorted(maps.Keys(c.bpfTime)) {
		c.bpfTime[function].line(fmt.Sprintf("BPF time %s, %s", event, function), "%.0f ns")
	}
	c.floor.line("BPF time "+event+", programs that only count", "%.0f ns")
}

// BenchmarkDropStorm has two senders flood a port that the firewall drops.
func BenchmarkDropStorm(b *testing.B) {
	c := storm{begin: drops(b), floor: []string{"kfree_skb"}, collector: startCollector(b)}.measure(b)
	fmt.Printf("drops: %d rounds of %s\n", rounds, lasting)
	c.print("datagrams", "a drop", bars{fewer: 8, cpu: 2})
	times(c.sum, c.floor).line("… times that of one that only counts", "%.2f", 1.8)
}

// BenchmarkConnectionStorm has clients and servers open and end connections at full speed.
func BenchmarkConnectionStorm(b *testing.B) {
	ofConnections(b, "connections", connections(b))
}

// BenchmarkRequestStorm has clients ask servers over HTTP, with a connection for each request.
func BenchmarkRequestStorm(b *testing.B) {
	ofConnections(b, "requests", requests(b), "kfree_skb") // a packet of each is thrown away as its connection is closed
}

// ofConnections measures a storm of connections that meets these tracepoints too.
func ofConnections(b *testing.B, what string, begin func() load, too ...string) {
	b.Helper()
	floor := append([]string{"inet_sock_set_state", "tcp_destroy_sock", "inet_sk_error_report"}, too...)
	c := storm{begin: begin, floor: floor, tool: "tcplife", collector: startCollector(b)}.measure(b)
	fmt.Printf("%s: %d rounds of %s\n", what, rounds, lasting)
	c.print(what, "a connection", bars{fewer: 5, cpu: 10})
	c.sum.line("BPF time a connection, both ends, all hooks", "%.0f ns", 3000)
}

// BenchmarkGetppid compares a system call of somebody else's with and without kerntap, which has nothing to do, and with
// one whose hooks on a system call tax all of them.
func BenchmarkGetppid(b *testing.B) {
	ns := bpftest.NewNamespace(b)
	caller := load{workers: start(b, ns, "kt-getppid", "getppid")[:1]}
	collector := startCollector(b)
	var alone, watched, taxed figures
	under := func(to *figures, options ...string) func() {
		return func() {
			k := startKerntap(b, collector, options...)
			defer k.stop(b)
			caller.run(b, warming)
			*to = append(*to, nanoseconds(caller.run(b, lasting/2)))
		}
	}
	variants := []func(){
		func() { alone = append(alone, nanoseconds(caller.run(b, lasting/2))) },
		under(&watched),
		under(&taxed, "--sync-failures", "syscalls"),
	}
	for round := range rounds {
		for i := range variants {
			variants[(round+i)%len(variants)]()
		}
	}
	fmt.Printf("getppid: %d rounds of %s\n", rounds, lasting/2)
	alone.line("a call, alone", "%.1f ns")
	watched.line("a call, with kerntap", "%.1f ns", slices.Max(alone))
	taxed.line("a call, with kerntap and sync_failures: syscalls", "%.1f ns")
}

func nanoseconds(_ uint64, perSecond float64) float64 { return 1e9 / perSecond }
