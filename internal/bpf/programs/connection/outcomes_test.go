package connection_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
)

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

// begin has the process connect, and returns once all connects have begun.
func (a *attempt) begin(t *testing.T) {
	t.Helper()
	a.process.Send(t, "now")
	a.process.Line(t)
	if a.way == "hang" {
		a.process.Kill() // before the answer comes
	}
}

// run checks what the process was told of each of n connects.
func (a *attempt) run(t *testing.T, n int) {
	t.Helper()
	if a.way == "hang" { // it was killed
		return
	}
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

// check returns how what was recorded and what was counted of an attempt differ from what happened n times.
func (a *attempt) check(recorder *bpftest.Recorder, n int, seen bool) (wrong []string) {
	records, tallies := map[string]int{}, map[string]int{}
	for _, e := range bpftest.Find(recorder, func(e *connection.Event) bool { return e.Command == a.command }) {
		records[fmt.Sprintf("%s %d", e.Outcome, int(e.Errno))]++
		peer := netip.AddrPortFrom(a.address.Addr().Unmap(), a.address.Port())
		if e.PID != a.process.PID || e.Role != connection.RoleClient || e.Peer != peer || e.Executable != a.command ||
			e.Duration <= 0 && !a.instant {
			wrong = append(wrong, fmt.Sprintf("%s: %s by %s[%d] as %s to %s after %s, want %s[%d] as client to %s", a, e.Outcome,
				e.Executable, e.PID, e.Role, e.Peer, e.Duration, a.command, a.process.PID, peer))
		}
	}
	if slow := bpftest.Find(recorder, func(e *connection.Event) bool {
		return e.Command == a.command && a.way == "impatient" && e.Duration >= unansweredFor
	}); len(slow) > 0 {
		wrong = append(wrong, fmt.Sprintf("%s: %d waited as long as without a timeout", a, len(slow)))
	}
	for _, tally := range bpftest.Find(recorder, func(e *connection.Tally) bool { return e.Command == a.command && e.N > 0 }) {
		tallies[fmt.Sprintf("%s %d", tally.Outcome, int(tally.Errno))] += int(tally.N)
		if tally.Role != connection.RoleClient || tally.IPv6 != (a.family == "6") || tally.UDP {
			wrong = append(wrong, fmt.Sprintf("%s: counted as %+v", a, tally))
		}
	}
	want := fmt.Sprint(a.want(n, seen))
	for what, got := range map[string]string{"recorded": fmt.Sprint(records), "counted": fmt.Sprint(tallies)} {
		if got != want {
			wrong = append(wrong, fmt.Sprintf("%s: %s are %s, want %s", a, got, what, want))
		}
	}
	return wrong
}

// want is how often each outcome is to be found, by outcome and errno.
func (a *attempt) want(n int, seen bool) map[string]int {
	opened, closed, failed := "opened 0", fmt.Sprintf("closed %d", int(a.errno)), fmt.Sprintf("failed %d", int(a.errno))
	switch {
	case a.failed && a.instant && !seen:
		return map[string]int{}
	case a.beside:
		return map[string]int{failed: n, opened: n, "closed 0": n}
	case a.failed:
		return map[string]int{failed: n}
	}
	return map[string]int{opened: n, closed: n}
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

// try has every attempt made a few times and returns what is wrong with what is seen of them.
func try(t *testing.T, way string, recorder *bpftest.Recorder, where scene, causes []cause, serial bool) (wrong []string) {
	t.Helper()
	n, how := 5, "parallel"
	if testing.Short() {
		n = 2
	}
	if serial {
		how = "serial"
	}
	all := attempts(causes, where.servers)
	for lacking, reason := range map[string]string{"io_uring": ringsForbidden(t), "mptcp": mptcpLacking()} {
		if reason != "" {
			t.Logf("without %s: %s", lacking, reason)
			all = without(all, lacking)
		}
	}
	for _, a := range all {
		a.process = where.ns.StartHelper(t, a.command, "dial", a.way, a.address.String(), fmt.Sprint(n), how)
		if where.prepare != nil {
			where.prepare(a.process)
		}
		a.begin(t)
	}
	for _, a := range all {
		a.run(t, n)
	}
	for _, a := range all {
		if !a.failed || a.beside {
			awaitClosed(recorder, a.command, n)
		}
	}
	recorder.Stop(t)
	for _, a := range all {
		wrong = append(wrong, a.check(recorder, n, way == "by functions" || way == "by system calls" && a.way != "io_uring")...)
	}
	return wrong
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

// mptcpLacking says why MPTCP cannot be used here, "" if it can.
func mptcpLacking() string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err != nil {
		return err.Error()
	}
	unix.Close(fd)
	return ""
}
