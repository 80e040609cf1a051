package connection_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// cause is one way for a connect to end. The addresses are one for each family; a port of 0 is that of the server.
type cause struct {
	name    string
	v4, v6  string
	ways    []string
	errno   syscall.Errno // of the failure, or of the end of what was opened; 0 of a failure: given up
	told    syscall.Errno // what the caller was told, where that is another
	failed  bool
	instant bool // fails before anything is sent
	beside  bool // each failure takes another connection, which is opened
}

// server is the server that a cause needs.
func (c *cause) server() string {
	if c.name == "reset" {
		return "resetter"
	}
	return "sink"
}

// waits are the ways to connect that wait for the answer, one after the other.
func waits(more ...string) []string { return append([]string{"blocking", "nonblocking"}, more...) }

// causes are the outcomes that one network namespace has room for.
func causes() []cause {
	return []cause{
		{name: "opened", v4: "127.0.0.1:0", v6: "[::1]:0", ways: waits("mptcp", "io_uring")},
		{name: "reset", v4: "127.0.0.1:0", v6: "[::1]:0", ways: []string{"reset"}, errno: syscall.ECONNRESET},
		{name: "refused", v4: "127.0.0.1:1", v6: "[::1]:1", ways: waits("mptcp", "io_uring"), errno: syscall.ECONNREFUSED, failed: true},
		{name: "rst", v4: "127.0.0.1:81", v6: "[::1]:81", ways: waits(), errno: syscall.ECONNREFUSED, failed: true},
		{name: "dropped", v4: "127.0.0.1:82", v6: "[::1]:82", ways: waits(), errno: syscall.ETIMEDOUT, failed: true},
		{name: "cancelled", v4: "127.0.0.1:83", v6: "[::1]:83", ways: []string{"cancel"}, told: syscall.EINPROGRESS, failed: true},
		{name: "killed", v4: "127.0.0.1:84", v6: "[::1]:85", ways: []string{"hang"}, failed: true},
		{name: "icmp-host", v4: "127.0.0.1:86", v6: "[::1]:86", ways: waits(), errno: syscall.EHOSTUNREACH, failed: true},
		{name: "icmp-net", v4: "127.0.0.1:87", v6: "[::1]:87", ways: waits(), errno: syscall.ENETUNREACH, failed: true},
		{name: "out-rst", v4: "127.0.0.1:88", v6: "[::1]:88", ways: waits(), errno: syscall.ECONNREFUSED, failed: true},
		{name: "out-icmp", v4: "127.0.0.1:89", v6: "[::1]:89", ways: waits(), errno: syscall.EHOSTUNREACH, failed: true},
		{name: "impatient", v4: "127.0.0.1:90", v6: "[::1]:90", ways: []string{"impatient"}, errno: syscall.ETIMEDOUT, failed: true},
		{name: "no-neighbour", v4: "198.51.100.2:80", v6: "[2001:db8:1::2]:80", ways: waits(), errno: syscall.EHOSTUNREACH, failed: true},
		{name: "no-route", v4: "192.0.2.1:80", v6: "[2001:db8::1]:80", ways: waits("mptcp", "io_uring"),
			errno: syscall.ENETUNREACH, failed: true, instant: true},
		{name: "bound", v4: "127.0.0.1:0", v6: "[::1]:0", ways: []string{"bound"}, errno: syscall.EADDRNOTAVAIL, failed: true, beside: true},
		{name: "unreachable", v4: "192.0.2.2:80", v6: "[2001:db8::2]:80", ways: waits(),
			errno: syscall.EHOSTUNREACH, failed: true, instant: true},
		{name: "prohibited", v4: "192.0.2.3:80", v6: "[2001:db8::3]:80", ways: waits(),
			errno: syscall.EACCES, failed: true, instant: true},
		{name: "blackhole", v4: "192.0.2.4:80", v6: "[2001:db8::4]:80", ways: waits(),
			errno: syscall.EINVAL, failed: true, instant: true},
	}
}

// unansweredFor is how long TCP tries where arrange lets it: a second, and two more after the one that it sends again.
const unansweredFor = 3 * time.Second

// arrange makes a namespace in which the causes have their effects.
func arrange(t *testing.T) scene {
	t.Helper()
	ns := bpftest.NewNamespace(t)
	ns.Firewall(t, `add table inet t; add chain inet t in { type filter hook input priority 0; };
		add rule inet t in tcp dport 81 reject with tcp reset;
		add rule inet t in tcp dport { 82, 83, 84, 85, 90 } drop;
		add rule inet t in tcp dport 86 reject with icmpx host-unreachable;
		add rule inet t in tcp dport 87 meta nfproto ipv4 reject with icmp net-unreachable;
		add rule inet t in tcp dport 87 meta nfproto ipv6 reject with icmpv6 no-route;
		add chain inet t out { type filter hook output priority 0; };
		add rule inet t out tcp dport 88 reject with tcp reset;
		add rule inet t out tcp dport 89 reject with icmpx host-unreachable`)
	ns.Run(t, "sysctl", "-q", "-w", "net.ipv4.tcp_syn_retries=1")
	for kind, last := range map[string]int{"unreachable": 2, "prohibit": 3, "blackhole": 4} {
		ns.Run(t, "ip", "route", "add", kind, fmt.Sprintf("192.0.2.%d", last))
		ns.Run(t, "ip", "-6", "route", "add", kind, fmt.Sprintf("2001:db8::%d", last))
	}
	emptyNetwork(t, ns)
	return scene{ns: ns, servers: serve(t, ns)}
}

// emptyNetwork makes networks in which no neighbour answers, and gives up asking for one before TCP does.
func emptyNetwork(t *testing.T, ns *bpftest.Namespace) {
	t.Helper()
	ns.Run(t, "ip", "link", "add", "empty", "type", "veth", "peer", "name", "nobody")
	for _, family := range []string{"ipv4", "ipv6"} {
		ns.Run(t, "sysctl", "-q", "-w", "net."+family+".neigh.empty.retrans_time_ms=100")
	}
	ns.Run(t, "ip", "address", "add", "198.51.100.1/24", "dev", "empty")
	ns.Run(t, "ip", "address", "add", "2001:db8:1::1/64", "dev", "empty", "nodad")
	ns.Run(t, "ip", "link", "set", "empty", "up")
	ns.Run(t, "ip", "link", "set", "nobody", "up")
}
