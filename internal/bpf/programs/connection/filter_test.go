package connection_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/filter"
	"github.com/kerntap/kerntap/internal/kernel"
)

// rules reads lists as a configuration has them.
func rules(t *testing.T, commands, ports, networks string) (r filter.Rules) {
	t.Helper()
	var err [3]error
	r.Commands, err[0] = filter.ParseCommands(commands)
	r.Ports, err[1] = filter.ParsePorts(ports)
	r.Networks, err[2] = filter.ParseNetworks(networks)
	for _, err := range err {
		if err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// filtered is a program whose filters a test changes while it runs, of one namespace and without a throttle.
type filtered struct {
	*bpftest.Recorder
	program *bpf.Program
	session *bpf.Session
	netns   uint32
}

func startFiltered(t *testing.T, netns uint32, rules filter.Rules) *filtered {
	t.Helper()
	session := bpf.NewSession(nil)
	session.DrainEvery = 50 * time.Millisecond
	session.Tune(bpf.Throttle{}, netns, rules)
	t.Cleanup(func() { session.Close() })
	program := connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session))
	return &filtered{bpftest.Start(t, program), program, session, netns}
}

func (f *filtered) follow(t *testing.T, rules filter.Rules) {
	t.Helper()
	f.session.Tune(bpf.Throttle{}, f.netns, rules)
	if err := f.program.Retune(nil); err != nil {
		t.Fatal(err)
	}
}

// settle returns once everything that the program has recorded is there.
func (f *filtered) settle(t *testing.T) {
	t.Helper()
	want := int(f.program.Status().Stats.Recorded)
	if found := bpftest.AwaitN(f.Recorder, want, 20*time.Second, func(*connection.Event) bool { return true }); len(found) < want {
		t.Fatalf("%d of %d records arrived", len(found), want)
	}
}

// addsUp checks the identity of what a program that has stopped has counted.
func (f *filtered) addsUp(t *testing.T) {
	t.Helper()
	s := f.program.Status().Stats
	if s.Tallied != s.Recorded+s.Throttled+s.Counted+s.Lost || s.Lost+s.TalliesLost != 0 ||
		s.Seen != s.Recorded+s.Throttled+s.Counted+s.Lost+s.Filtered+s.Missed {
		t.Errorf("it does not add up: %+v", s)
	}
}

// Of connects by two commands to several ports and addresses exactly those are reported that every list keeps, and the others
// are counted as filtered, under one set of filters after the other.
func TestFiltersKeepTheConnectionsThatAreWanted(t *testing.T) {
	pair := bpftest.NewPair(t)
	pair.Near.Run(t, "sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=0")
	f := startFiltered(t, pair.Near.Inode, filter.Rules{})
	far, near, mapped, local, local6 := "10.77.0.2:41001", "10.77.0.1:41001", "[::ffff:10.77.0.2]:41002", "127.0.0.1:41003", "[::1]:41001"
	addresses := []string{far, near, mapped, local, local6}
	commands := []string{"kt-f-one", "kt-f-two"}
	callers := map[string]*bpftest.Process{}
	for _, command := range commands {
		callers[command] = pair.Near.StartHelper(t, command, "client")
	}
	full := strings.Repeat("10.0.0.1,", filter.MaxNetworks-1)
	for _, test := range []struct {
		name  string
		rules filter.Rules
		by    []string
		to    []string
	}{
		{"none", rules(t, "", "", ""), commands, addresses},
		{"one command", rules(t, "kt-f-two", "", ""), commands[1:], addresses},
		{"not one command", rules(t, "!kt-f-two,!kt-f", "", ""), commands[:1], addresses},
		{"one and not it", rules(t, "kt-f-one,!kt-f-one", "", ""), nil, nil},
		{"the last command", rules(t, strings.Repeat("x,", filter.MaxCommands-1)+"kt-f-one", "", ""), commands[:1], addresses},
		{"other case", rules(t, "KT-F-ONE", "", ""), nil, nil},
		{"a port", rules(t, "", "41003", ""), commands, []string{local}},
		{"ports", rules(t, "", "41002-41003", ""), commands, []string{mapped, local}},
		{"ports but one", rules(t, "", "41000-41003,!41001", ""), commands, []string{mapped, local}},
		{"the last port", rules(t, "", strings.Repeat("1,", filter.MaxPorts-1)+"41002", ""), commands, []string{mapped}},
		{"no clients' ports", rules(t, "", "!1024-40999,!42000-65535", ""), commands, addresses},
		{"a network", rules(t, "", "", "10.77.0.0/24"), commands, []string{far, near, mapped}},
		{"a network but one", rules(t, "", "", "10.0.0.0/8,!10.77.0.1"), commands, []string{far, mapped}},
		{"all of IPv4", rules(t, "", "", "0.0.0.0/0"), commands, []string{far, near, mapped, local}},
		{"all of IPv6", rules(t, "", "", "::/0"), commands, []string{local6}},
		{"none of IPv6", rules(t, "", "", "!::/0"), commands, []string{far, near, mapped, local}},
		{"the last network", rules(t, "", "", full+"!10.77.0.0/25"), nil, nil},
		{"not the last network", rules(t, "", "", strings.ReplaceAll(full, "10.", "!10.")+"!10.77.0.0/31"), commands,
			[]string{far, mapped, local, local6}},
		{"what leaves the host", filter.Rules{WithoutLoopback: true}, commands, []string{far, mapped}},
		{"all at once", rules(t, "kt-f-one", "41001", "10.77.0.2"), commands[:1], []string{far}},
		{"none again", rules(t, "", "", ""), commands, addresses},
	} {
		t.Run(test.name, func(t *testing.T) {
			f.follow(t, test.rules)
			f.settle(t)
			seen, before := len(bpftest.Find(f.Recorder, is(pair.Near, connection.RoleClient, connection.OutcomeFailed))), f.program.Status().Stats
			var want, got []string
			for _, command := range commands {
				for _, address := range addresses {
					callers[command].Send(t, address)
					callers[command].Line(t)
					if slices.Contains(test.by, command) && slices.Contains(test.to, address) {
						peer := netip.MustParseAddrPort(address)
						want = append(want, command+" "+netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()).String())
					}
				}
			}
			f.settle(t)
			for _, e := range bpftest.Find(f.Recorder, is(pair.Near, connection.RoleClient, connection.OutcomeFailed))[seen:] {
				got = append(got, e.Command+" "+e.Peer.String())
			}
			if slices.Sort(want); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
				t.Errorf("reported are %v, want %v", got, want)
			}
			after := f.program.Status().Stats
			if n := uint64(len(commands)*len(addresses) - len(want)); after.Filtered-before.Filtered < n {
				t.Errorf("%d are filtered, want %d", after.Filtered-before.Filtered, n)
			}
			if n := uint64(len(want)); after.Recorded-before.Recorded != n {
				t.Errorf("%d are recorded, want %d", after.Recorded-before.Recorded, n)
			}
		})
	}
	f.Stop(t)
	f.addsUp(t)
	tallied := 0.0
	for _, command := range commands {
		tallied += summed(f.Recorder, command)["kerntap.tcp.connections client"]
	}
	if records := len(bpftest.Find(f.Recorder, is(pair.Near, connection.RoleClient, connection.OutcomeFailed))); int(tallied) != records {
		t.Errorf("%g connections are counted, %d recorded", tallied, records)
	}
}

// A connection that was open when filters came is told to its end, one that was not told is not when they are gone: what is
// open is never counted down for what it was not counted up.
func TestAFilterThatChangesLeavesOpenConnectionsAsTheyWere(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	f := startFiltered(t, 0, filter.Rules{})
	address := ns.StartHelper(t, "kt-g-server", "sink", "127.0.0.1:0").Line(t)
	active := "kerntap.tcp.active_connections "
	early := ns.StartHelper(t, "kt-g-early", "talk", address)
	early.Line(t)
	until(t, f.Recorder, "kt-g-early", map[string]float64{active + "client": 1})
	f.follow(t, rules(t, "!kt-g-early,!kt-g-late", "", ""))
	late := ns.StartHelper(t, "kt-g-late", "talk", address)
	late.Line(t)
	until(t, f.Recorder, "kt-g-server", map[string]float64{active + "server": 2})
	f.follow(t, filter.Rules{})
	late.End(t)
	f.follow(t, rules(t, "!kt-g-early,!kt-g-server", "", ""))
	early.End(t)
	until(t, f.Recorder, "kt-g-early", map[string]float64{active + "client": 0, "kerntap.tcp.connection.duration client": 1})
	until(t, f.Recorder, "kt-g-server", map[string]float64{active + "server": 0, "kerntap.tcp.connection.duration server": 2})
	f.Stop(t)
	if sums := summed(f.Recorder, "kt-g-late"); len(sums) != 0 {
		t.Errorf("of a connection that was filtered when it opened there is %v", sums)
	}
	f.addsUp(t)
}

// The walk over open connections leaves out what is filtered, of older connections too, and what clients of kerntap carry.
func TestFilteredConnectionsCarryNothing(t *testing.T) {
	bpftest.RequireFeature(t, kernel.OpenConnections)
	ns := bpftest.NewNamespace(t)
	server := ns.StartHelper(t, "kt-h-server", "sink", "127.0.0.1:0").Line(t)
	self := ns.StartHelper(t, "kt-h-self", "sink", "127.0.0.1:0").Line(t)
	talkers := map[string]*bpftest.Process{}
	talk := func(command, address string) {
		talkers[command] = ns.StartHelper(t, command, "talk", address)
		talkers[command].Line(t)
	}
	talk("kt-h-older", server)
	talk("kt-h-older-in", server)
	talk("kt-h-older-own", self)
	session := bpf.NewSession(nil)
	session.DrainEvery = 50 * time.Millisecond
	session.SelfNetNS, session.SelfPorts = ns.Inode, [2]uint16{netip.MustParseAddrPort(self).Port(), 0}
	session.Tune(bpf.Throttle{}, 0, rules(t, "!kt-h-older,!kt-h-out", "", ""))
	t.Cleanup(func() { session.Close() })
	recorder := bpftest.Start(t, connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session)))
	talk("kt-h-out", server)
	talk("kt-h-own", self)
	talk("kt-h-in", server)
	for range 3 {
		for _, command := range []string{"kt-h-older", "kt-h-older-own", "kt-h-out", "kt-h-own", "kt-h-older-in", "kt-h-in"} {
			talkers[command].Send(t, "1000")
			talkers[command].Line(t)
		}
	}
	for _, command := range []string{"kt-h-in", "kt-h-older-in"} {
		until(t, recorder, command, map[string]float64{"kerntap.tcp.io transmit": 3000})
	}
	for _, talker := range talkers {
		talker.End(t)
	}
	recorder.Stop(t)
	for _, command := range []string{"kt-h-older", "kt-h-older-own", "kt-h-out", "kt-h-own"} {
		if sums := summed(recorder, command); len(sums) != 0 {
			t.Errorf("of %s there is %v", command, sums)
		}
	}
}

// What ends at once, of TCP and of UDP, is filtered as everything else.
func TestFiltersHoldForConnectsThatEndAtOnce(t *testing.T) {
	bpftest.RequireFeature(t, kernel.InstantConnects)
	ns := bpftest.NewNamespace(t)
	f := startFiltered(t, ns.Inode, rules(t, "kt-i-udp,kt-i-tcp", "!54", "!::/0"))
	caller := ns.StartHelper(t, "kt-i-udp", "callUDP", "127.0.0.1:53", "127.0.0.1:54", "[::1]:53", "192.0.2.1:53")
	for range 4 {
		caller.Line(t)
	}
	other := ns.StartHelper(t, "kt-i-other", "callUDP", "127.0.0.1:53")
	other.Line(t)
	tcp := ns.StartHelper(t, "kt-i-tcp", "client")
	for _, address := range []string{"192.0.2.1:80", "192.0.2.1:54", "[2001:db8::1]:80"} {
		tcp.Send(t, address)
		tcp.Line(t)
	}
	f.Stop(t)
	var got []string
	for _, e := range bpftest.Find(f.Recorder, func(e *connection.Event) bool { return e.NetNS == ns.Inode }) {
		got = append(got, e.Command+" "+e.Peer.String())
	}
	if want := []string{"kt-i-udp 127.0.0.1:53", "kt-i-udp 192.0.2.1:53", "kt-i-tcp 192.0.2.1:80"}; !slices.Equal(got, want) {
		t.Errorf("reported are %v, want %v", got, want)
	}
	f.addsUp(t)
}
