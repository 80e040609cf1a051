package tcp_trouble_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/bpf/programs/tcp_trouble"
	"github.com/kerntap/kerntap/internal/filter"
	"github.com/kerntap/kerntap/internal/kernel"
)

// Resets of refused connects are reported as the filters say of their connection: those that a socket receives, which has an
// owner, and those that answer for no socket, where the kernel tells of them.
func TestFiltersKeepTheResetsThatAreWanted(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	ours, err := filter.ParseCommands("kt-r-caller")
	if err != nil {
		t.Fatal(err)
	}
	ports := func(only bool) filter.Rules {
		list := filter.List[filter.Ports]{Not: []filter.Ports{{First: 40031, Last: 40031}}}
		if only {
			list.Only, list.Not = list.Not, nil
		}
		return filter.Rules{Ports: list}
	}
	types, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	answersAreSeen := kernel.ResetReasons.Lost(types) == nil // both came with 6.10
	possible := 4
	if !answersAreSeen {
		possible = 2
	}
	session := bpf.NewSession(nil)
	session.Tune(bpf.Throttle{}, ns.Inode, filter.Rules{})
	t.Cleanup(func() { session.Close() })
	storage := bpf.NewInMemoryStorage()
	bpftest.Start(t, connection.NewProgram(storage, bpf.WithSession(session)))
	program := tcp_trouble.NewProgram(all(), storage, bpf.WithSession(session))
	recorder := bpftest.Start(t, program)
	every := func(*tcp_trouble.Event) bool { return true }
	caller := ns.StartHelper(t, "kt-r-caller", "call")
	received, sent := "reset_received ", "reset_sent "
	for _, test := range []struct {
		name  string
		rules filter.Rules
		want  []string
	}{
		{"none", filter.Rules{}, []string{received + "40031", received + "40032", sent + "40031", sent + "40032"}},
		{"a port", ports(true), []string{received + "40031", sent + "40031"}},
		{"not a port", ports(false), []string{received + "40032", sent + "40032"}},
		{"a command", filter.Rules{Commands: ours}, []string{received + "40031", received + "40032"}},
		{"not a command", filter.Rules{Commands: filter.List[string]{Not: ours.Only}}, []string{sent + "40031", sent + "40032"}},
		{"loopback", filter.Rules{WithoutLoopback: true}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			session.Tune(bpf.Throttle{}, ns.Inode, test.rules)
			if err := program.Retune(nil); err != nil {
				t.Fatal(err)
			}
			seen, before := len(bpftest.Find(recorder, every)), program.Status().Stats
			for _, port := range []string{"40031", "40032"} {
				caller.Send(t, net.JoinHostPort("127.0.0.1", port))
				caller.Line(t)
			}
			want := slices.DeleteFunc(slices.Clone(test.want), func(what string) bool {
				return strings.HasPrefix(what, sent) && !answersAreSeen
			})
			after := program.Status().Stats
			recorded := int(after.Recorded - before.Recorded)
			var got []string
			for _, e := range bpftest.AwaitN(recorder, seen+recorded, 20*time.Second, every)[seen:] {
				port := e.Peer.Port()
				if e.Kind == tcp_trouble.ResetSent {
					port = e.Local.Port()
				}
				got = append(got, fmt.Sprintf("%s %d", e.Kind, port))
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("reported are %v, want %v", got, want)
			}
			if recorded != len(want) || int(after.Filtered-before.Filtered) < possible-len(want) {
				t.Errorf("%d are recorded and %d filtered", recorded, after.Filtered-before.Filtered)
			}
		})
	}
	recorder.Stop(t)
	if s := program.Status().Stats; s.Tallied != s.Recorded+s.Throttled+s.Counted+s.Lost {
		t.Errorf("it does not add up: %+v", s)
	}
}
