package storm

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// load is what the host has to do, in processes that live for one measurement: sockets that are accepted under kerntap
// have listeners that kerntap has seen.
type load struct {
	workers, others []*bpftest.Process
}

// start starts a helper on every one of the first two CPUs, each with a port of its own.
func start(b *testing.B, ns *bpftest.Namespace, name, helper string, args ...string) []*bpftest.Process {
	b.Helper()
	var all []*bpftest.Process
	for cpu := range min(2, runtime.NumCPU()) {
		own := append([]string{strconv.Itoa(cpu), strconv.Itoa(41000 + cpu)}, args...)
		all = append(all, ns.StartHelper(b, fmt.Sprint(name, cpu), helper, own...))
	}
	for _, process := range all {
		process.Line(b)
	}
	return all
}

// drops is two senders whose datagrams a firewall drops where they arrive.
func drops(b *testing.B) (begin func() load) {
	ns := bpftest.NewNamespace(b)
	ns.Firewall(b, fmt.Sprintf("add table inet t; add chain inet t in { type filter hook input priority 0; };"+
		" add rule inet t in udp dport %d drop", floodPort))
	return func() load { return load{workers: start(b, ns, "kt-flood", "flood")} }
}

// connections is two clients at full speed, each with its server beside it, in bare system calls: nothing but connections.
func connections(b *testing.B) (begin func() load) { return pairs(b, "serve", "connect") }

// requests is two clients that ask over HTTP, with a connection for each request, each with its server beside it.
func requests(b *testing.B) (begin func() load) { return pairs(b, "answer", "ask") }

// pairs is two clients, each with its server beside it. Ports would run out if each connection were remembered for a minute,
// which is what TIME_WAIT is; the ends pass through the same states without.
func pairs(b *testing.B, server, client string) (begin func() load) {
	ns := bpftest.NewNamespace(b)
	ns.Run(b, "sh", "-c", "echo 0 > /proc/sys/net/ipv4/tcp_max_tw_buckets")
	return func() load {
		servers := start(b, ns, "kt-server", server)
		return load{start(b, ns, "kt-client", client), servers}
	}
}

// run has all workers work at once and returns what they did together, and in a second.
func (l load) run(b *testing.B, lasting time.Duration) (n uint64, perSecond float64) {
	b.Helper()
	for _, worker := range l.workers {
		worker.Send(b, lasting.String())
	}
	for _, worker := range l.workers {
		var done, ns uint64
		if _, err := fmt.Sscan(worker.Line(b), &done, &ns); err != nil {
			b.Fatal(err)
		}
		n += done
		perSecond += float64(done) / (float64(ns) / 1e9)
	}
	return n, perSecond
}

func (l load) end(b *testing.B) {
	for _, process := range append(l.workers, l.others...) {
		process.End(b)
	}
}
