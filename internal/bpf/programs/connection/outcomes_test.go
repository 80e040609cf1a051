package connection_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
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

// arrange makes a namespace in which the causes have their effects.
func arrange(t *testing.T) *bpftest.Namespace {
	t.Helper()
	ns := bpftest.NewNamespace(t)
	ns.Firewall(t, `add table inet t; add chain inet t in { type filter hook input priority 0; };
		add rule inet t in tcp dport 81 reject with tcp reset;
		add rule inet t in tcp dport { 82, 83, 84, 85 } drop;
		add rule inet t in tcp dport 86 reject with icmpx host-unreachable;
		add rule inet t in tcp dport 87 meta nfproto ipv4 reject with icmp net-unreachable;
		add rule inet t in tcp dport 87 meta nfproto ipv6 reject with icmpv6 no-route`)
	ns.Run(t, "sysctl", "-q", "-w", "net.ipv4.tcp_syn_retries=1")
	for kind, last := range map[string]int{"unreachable": 2, "prohibit": 3, "blackhole": 4} {
		ns.Run(t, "ip", "route", "add", kind, fmt.Sprintf("192.0.2.%d", last))
		ns.Run(t, "ip", "-6", "route", "add", kind, fmt.Sprintf("2001:db8::%d", last))
	}
	return ns
}

// attempt is a cause over one family, in one way, by a process of its own.
type attempt struct {
	cause
	way, family string
	address     netip.AddrPort
	command     string
	process     *bpftest.Process
}

func (a *attempt) String() string { return a.name + " " + a.family + " " + a.way }

// attempts are all causes over all families in all ways. servers answer at the ports of 0, by the cause's name and family.
func attempts(all []cause, servers map[string]netip.AddrPort) []*attempt {
	var found []*attempt
	for _, c := range all {
		for _, family := range []string{"4", "6", "m"} {
			address := netip.MustParseAddrPort(map[string]string{"4": c.v4, "6": c.v6, "m": c.v4}[family])
			if address.Port() == 0 {
				address = servers[c.server()+map[string]string{"4": "4", "6": "6", "m": "4"}[family]]
			}
			if family == "m" {
				address = netip.AddrPortFrom(netip.AddrFrom16(address.Addr().As16()), address.Port())
			}
			for _, way := range c.ways {
				found = append(found, &attempt{cause: c, way: way, family: family, address: address,
					command: fmt.Sprintf("kt-%s-%d", family, len(found))})
			}
		}
	}
	return found
}

// run makes n connects and checks what the process was told of each.
func (a *attempt) run(t *testing.T, n int) {
	t.Helper()
	want := a.errno
	if a.told != 0 {
		want = a.told
	}
	for range n {
		if told := a.process.Line(t); told != fmt.Sprint(int(want)) {
			t.Errorf("%s: the process was told %s, want %d (%v)", a, told, int(want), want)
		}
	}
}

// check compares what was recorded and what was counted of an attempt with what happened n times.
func (a *attempt) check(t *testing.T, recorder *bpftest.Recorder, n int, seen bool) {
	t.Helper()
	want := map[string]int{}
	switch {
	case a.failed && a.instant && !seen:
	case a.failed:
		want[fmt.Sprintf("failed %d", int(a.errno))] = n
		if a.beside {
			want["opened 0"], want["closed 0"] = n, n
		}
	default:
		want["opened 0"], want[fmt.Sprintf("closed %d", int(a.errno))] = n, n
	}
	records, tallies := map[string]int{}, map[string]int{}
	for _, e := range bpftest.Find(recorder, func(e *connection.Event) bool { return e.Command == a.command }) {
		records[fmt.Sprintf("%s %d", e.Outcome, int(e.Errno))]++
		peer := netip.AddrPortFrom(a.address.Addr().Unmap(), a.address.Port())
		if e.PID != a.process.PID || e.Role != connection.RoleClient || e.Peer != peer || e.Executable != a.command {
			t.Errorf("%s: %s by %s[%d] as %s to %s, want %s[%d] as client to %s", a, e.Outcome, e.Executable, e.PID, e.Role, e.Peer,
				a.command, a.process.PID, peer)
		}
		if e.Duration <= 0 && !a.instant {
			t.Errorf("%s: %s after %s", a, e.Outcome, e.Duration)
		}
	}
	for _, tally := range bpftest.Find(recorder, func(e *connection.Tally) bool { return e.Command == a.command && e.N > 0 }) {
		tallies[fmt.Sprintf("%s %d", tally.Outcome, int(tally.Errno))] += int(tally.N)
		if tally.Role != connection.RoleClient || tally.IPv6 != (a.family == "6") || tally.UDP {
			t.Errorf("%s: counted as %+v", a, tally)
		}
	}
	if got := fmt.Sprint(records); got != fmt.Sprint(want) {
		t.Errorf("%s: %s are recorded, want %v", a, got, want)
	}
	if got := fmt.Sprint(tallies); got != fmt.Sprint(want) {
		t.Errorf("%s: %s are counted, want %v", a, got, want)
	}
}

// without leaves out a way that this kernel lacks.
func without(all []*attempt, way string) []*attempt {
	var left []*attempt
	for _, a := range all {
		if a.way != way {
			left = append(left, a)
		}
	}
	return left
}

// Every outcome of a connect, over every family and in every way, is recorded and counted as often as it happened.
func TestEveryConnectHasItsOneOutcome(t *testing.T) {
	for way, begin := range waysToSeeOutcomes(t) {
		t.Run(way, func(t *testing.T) {
			ns := arrange(t)
			all := attempts(causes(), serve(t, ns))
			if reason := ringsForbidden(t); reason != "" {
				t.Log("without io_uring: ", reason)
				all = without(all, "io_uring")
			}
			try(t, way, begin, ns, all, func(*bpftest.Process) {})
		})
	}
}

// Where the only port is taken a connect fails.
func TestConnectsWithoutAPortHaveTheirOneOutcome(t *testing.T) {
	for way, begin := range waysToSeeOutcomes(t) {
		t.Run(way, func(t *testing.T) {
			ns := bpftest.NewNamespace(t)
			servers := serve(t, ns)
			ns.Run(t, "sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=40000 40000")
			for _, family := range []string{"4", "6"} {
				holder := ns.StartHelper(t, "kt-holder", "hold")
				holder.Send(t, servers["sink"+family].String())
				holder.Line(t)
			}
			all := attempts([]cause{{name: "exhausted", v4: "127.0.0.1:0", v6: "[::1]:0", ways: waits("mptcp"),
				errno: syscall.EADDRNOTAVAIL, failed: true}}, servers)
			try(t, way, begin, ns, all, func(*bpftest.Process) {})
		})
	}
}

// What a cgroup's program forbids is not sent.
func TestForbiddenConnectsHaveTheirOneOutcome(t *testing.T) {
	for way, begin := range waysToSeeOutcomes(t) {
		t.Run(way, func(t *testing.T) {
			root := bpftest.UnifiedCgroups(t)
			const group = "kerntap-forbidden"
			all := attempts([]cause{{name: "forbidden", v4: "127.0.0.1:1", v6: "[::1]:1", ways: waits("mptcp"),
				errno: syscall.EPERM, failed: true, instant: true}}, nil)
			forbidden := false
			try(t, way, begin, bpftest.NewNamespace(t), all, func(p *bpftest.Process) {
				bpftest.Cgroup(t, root, group, p.PID)
				if !forbidden {
					forbidConnects(t, filepath.Join(root, group))
				}
				forbidden = true
			})
		})
	}
}

// forbidConnects forbids the processes of a cgroup to connect.
func forbidConnects(t *testing.T, cgroup string) {
	t.Helper()
	for _, kind := range []ebpf.AttachType{ebpf.AttachCGroupInet4Connect, ebpf.AttachCGroupInet6Connect} {
		program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.CGroupSockAddr, AttachType: kind, License: "GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}})
		if err != nil {
			t.Fatal(err)
		}
		defer program.Close()
		attached, err := link.AttachCgroup(link.CgroupOptions{Path: cgroup, Attach: kind, Program: program})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { attached.Close() })
	}
}

// waysToSeeOutcomes are the ways in which this kernel shows outcomes.
func waysToSeeOutcomes(t *testing.T) map[string]func(*testing.T) *bpftest.Recorder {
	t.Helper()
	ways := waysToSeeInstantConnects(t)
	ways["by states alone"] = startWithoutFunctions
	return ways
}

// serve starts servers in a namespace, by their helpers and families.
func serve(t *testing.T, ns *bpftest.Namespace) map[string]netip.AddrPort {
	t.Helper()
	servers := make(map[string]netip.AddrPort)
	for _, helper := range []string{"sink", "resetter"} {
		for family, address := range map[string]string{"4": "127.0.0.1:0", "6": "[::1]:0"} {
			servers[helper+family] = netip.MustParseAddrPort(ns.StartHelper(t, "kt-"+helper+family, helper, address).Line(t))
		}
	}
	return servers
}

// try has every attempt made a few times and checks what is seen of it. prepare is given each process before it connects.
func try(t *testing.T, way string, begin func(*testing.T) *bpftest.Recorder, ns *bpftest.Namespace, all []*attempt,
	prepare func(*bpftest.Process)) {
	t.Helper()
	recorder := begin(t)
	n := 5
	if testing.Short() {
		n = 2
	}
	for _, a := range all {
		a.process = ns.StartHelper(t, a.command, "dial", a.way, a.address.String(), fmt.Sprint(n))
		prepare(a.process)
		a.process.Send(t, "now")
		if a.way == "hang" { // until it is killed, which is to come before the answer
			a.process.Line(t)
			a.process.Kill(t)
		}
	}
	for _, a := range all {
		if a.way != "hang" {
			a.run(t, n)
		}
	}
	for _, a := range all {
		if !a.failed || a.beside {
			awaitClosed(recorder, a.command, n)
		}
	}
	recorder.Stop(t)
	for _, a := range all {
		a.check(t, recorder, n, way == "by functions" || way == "by system calls" && a.way != "io_uring")
	}
}

// awaitClosed waits until so many connections of a command are closed.
func awaitClosed(recorder *bpftest.Recorder, command string, n int) {
	bpftest.AwaitN(recorder, n, patience, func(e *connection.Event) bool {
		return e.Command == command && e.Outcome == connection.OutcomeClosed
	})
}

// ringsForbidden says why io_uring cannot be used here, "" if it can.
func ringsForbidden(t *testing.T) string {
	t.Helper()
	if setting, err := os.ReadFile("/proc/sys/kernel/io_uring_disabled"); err == nil && strings.TrimSpace(string(setting)) == "2" {
		return "kernel.io_uring_disabled is 2"
	}
	ring, _, err := openRing()
	if err != nil {
		return err.Error()
	}
	unix.Close(ring)
	return ""
}
