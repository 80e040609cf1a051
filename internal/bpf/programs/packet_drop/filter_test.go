package packet_drop_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
	"github.com/kerntap/kerntap/internal/filter"
)

// listed reads a list as a configuration has it.
func listed[T any](t *testing.T, read func(string) (filter.List[T], error), text string) filter.List[T] {
	t.Helper()
	list, err := read(text)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Of packets that nobody is there for, those are reported that the filters keep: either end may match, and what a packet does
// not tell matches nothing. The others are counted as filtered.
func TestFiltersKeepTheDropsThatAreWanted(t *testing.T) {
	pair := bpftest.NewPair(t)
	session := bpf.NewSession(nil)
	session.Tune(bpf.Throttle{}, pair.Far.Inode, filter.Rules{})
	t.Cleanup(func() { session.Close() })
	program := packet_drop.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session))
	recorder := bpftest.Start(t, program)

	other := netip.MustParseAddr("10.77.0.99")
	packet := func(source netip.Addr) bpftest.IPv4 {
		return bpftest.IPv4{Source: source, Destination: bpftest.Far, TTL: 64}
	}
	unknown := packet(bpftest.Near)
	unknown.Protocol = 253 // of no transport that has ports
	frames := map[string][]byte{
		"udp 9 near":  packet(bpftest.Near).UDP(50_001, 9, nil),
		"udp 10 near": packet(bpftest.Near).UDP(50_002, 10, nil),
		"udp 9 other": packet(other).UDP(50_003, 9, nil),
		"no ports":    unknown.Packet(),
	}
	names := []string{"no ports", "udp 10 near", "udp 9 near", "udp 9 other"}
	name := func(e *packet_drop.Event) string {
		who := map[netip.Addr]string{bpftest.Near: "near", other: "other"}[e.Source.Addr()]
		if e.Destination.Port() == 0 {
			return "no ports"
		}
		return fmt.Sprintf("udp %d %s", e.Destination.Port(), who)
	}
	ports := func(text string) filter.Rules {
		return filter.Rules{Ports: listed(t, filter.ParsePorts, text)}
	}
	networks := func(text string) filter.Rules {
		return filter.Rules{Networks: listed(t, filter.ParseNetworks, text)}
	}
	for _, test := range []struct {
		name  string
		rules filter.Rules
		want  []string
	}{
		{"none", filter.Rules{}, names},
		{"a port", ports("9"), []string{"udp 9 near", "udp 9 other"}},
		{"the other end's port", ports("50002"), []string{"udp 10 near"}},
		{"not a port", ports("!9"), []string{"no ports", "udp 10 near"}},
		{"a network", networks("10.77.0.64/26"), []string{"udp 9 other"}},
		{"not a network", networks("!10.77.0.64/26"), []string{"no ports", "udp 10 near", "udp 9 near"}},
		{"the other end's network", networks("10.77.0.2"), names},
		{"no command", filter.Rules{Commands: listed(t, filter.ParseCommands, "nginx")}, nil},
		{"not a command", filter.Rules{Commands: listed(t, filter.ParseCommands, "!nginx")}, names},
		{"from elsewhere", filter.Rules{WithoutLoopback: true}, names},
	} {
		t.Run(test.name, func(t *testing.T) {
			session.Tune(bpf.Throttle{}, pair.Far.Inode, test.rules)
			if err := program.Retune(nil); err != nil {
				t.Fatal(err)
			}
			settle(t, program, recorder)
			before, seen := program.Status().Stats, len(bpftest.Find(recorder, func(*packet_drop.Event) bool { return true }))
			const n = 3
			var want []string
			for _, name := range names {
				for range n {
					pair.Send(t, bpftest.Ethernet(0x0800, frames[name]))
					if slices.Contains(test.want, name) {
						want = append(want, name)
					}
				}
			}
			after := program.Status().Stats
			for deadline := time.Now().Add(20 * time.Second); after.Recorded+after.Counted+after.Filtered <
				before.Recorded+before.Counted+before.Filtered+n*uint64(len(names)) && time.Now().Before(deadline); {
				<-time.After(time.Millisecond)
				after = program.Status().Stats
			}
			settle(t, program, recorder)
			var got []string
			for _, e := range bpftest.Find(recorder, func(*packet_drop.Event) bool { return true })[seen:] {
				if e.NetNS == pair.Far.Inode {
					got = append(got, name(e))
				}
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("reported are %v, want %v", got, want)
			}
			if left := uint64(n*len(names) - len(want)); after.Filtered-before.Filtered < left {
				t.Errorf("%d are filtered, want %d", after.Filtered-before.Filtered, left)
			}
		})
	}
	recorder.Stop(t)
	s := program.Status().Stats
	if s.Tallied != s.Recorded+s.Throttled+s.Counted+s.Lost || s.Lost+s.TalliesLost != 0 {
		t.Errorf("it does not add up: %+v", s)
	}
}

// settle returns once everything that the program has recorded is there.
func settle(t *testing.T, program *bpf.Program, recorder *bpftest.Recorder) {
	t.Helper()
	want := int(program.Status().Stats.Recorded)
	found := bpftest.AwaitN(recorder, want, 20*time.Second, func(*packet_drop.Event) bool { return true })
	if len(found) < want {
		t.Fatalf("%d of %d records arrived", len(found), want)
	}
}

// The command of a drop is that of the socket's owner; what stays on this host is left out by its addresses.
func TestFiltersKnowTheOwnerOfADrop(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	ns.Firewall(t, firewall)
	session := bpf.NewSession(nil)
	session.Tune(bpf.Throttle{}, ns.Inode, filter.Rules{})
	t.Cleanup(func() { session.Close() })
	storage := bpf.NewInMemoryStorage()
	bpftest.Start(t, connection.NewProgram(storage, bpf.WithSession(session)))
	program := packet_drop.NewProgram(storage, bpf.WithSession(session))
	recorder := bpftest.Start(t, program)
	syn := to(netip.MustParseAddrPort("127.0.0.1:40011"))
	for _, test := range []struct {
		name  string
		rules filter.Rules
		want  []string
	}{
		{"one command", filter.Rules{Commands: listed(t, filter.ParseCommands, "kt-d-one")}, []string{"kt-d-one"}},
		{"not one command", filter.Rules{Commands: listed(t, filter.ParseCommands, "!kt-d-one")}, []string{"kt-d-two"}},
		{"loopback", filter.Rules{WithoutLoopback: true}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			session.Tune(bpf.Throttle{}, ns.Inode, test.rules)
			if err := program.Retune(nil); err != nil {
				t.Fatal(err)
			}
			settle(t, program, recorder)
			seen := len(bpftest.Find(recorder, syn))
			for _, command := range []string{"kt-d-one", "kt-d-two"} {
				before := ns.Counter(t, "snmp", "Tcp", "ActiveOpens")
				caller := ns.StartHelper(t, command, "talk")
				caller.Send(t, "127.0.0.1:40011")
				bpftest.Until(t, "its first packet is sent", func() bool {
					return ns.Counter(t, "snmp", "Tcp", "ActiveOpens") > before
				})
				caller.Kill()
			}
			settle(t, program, recorder)
			var got []string
			for _, e := range bpftest.Find(recorder, syn)[seen:] {
				got = append(got, e.Command)
			}
			if got = slices.Compact(got); !slices.Equal(got, test.want) {
				t.Errorf("of %v, want %v", got, test.want)
			}
		})
	}
}
