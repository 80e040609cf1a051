package packet_drop_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

// kind is what rows and records of drops are told apart by here.
type kind struct {
	reason    uint32
	location  string
	etherType uint16
	protocol  uint8
	command   string
}

// policy drops what reaches its end, and what has a hop limit of its own before the kernel looks at it.
const policy = `
add chain inet t last { type filter hook input priority 10; policy drop; }
add rule inet t last meta l4proto != udp accept
add rule inet t last udp dport != 40013 accept
add table netdev t
add chain netdev t in { type filter hook ingress device lo priority 0; }
add rule netdev t in ip6 hoplimit 77 drop
`

// Drops that follow each other on one CPU, one to three of a kind, are counted as what each of them is recorded as.
func TestWhatTakesTurnsIsToldApart(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	ns.Firewall(t, firewall+"\nadd rule inet t in meta l4proto >= 100 counter drop\n"+policy)
	unlessMissed(t, func() uint64 {
		program, recorder := startInScope(t, ns)
		var sent map[kind]uint64
		var err error
		ns.Do(func() { sent, err = inTurns(2000) })
		if err != nil {
			t.Fatal(err)
		}
		var all uint64
		for _, n := range sent {
			all += n
		}
		counted := settled(t, program, recorder, int(all))
		if missed := program.Status().Stats.Missed; missed > 0 {
			return missed
		}
		got := make(map[kind]uint64)
		for of, n := range counted {
			got[kind{etherType: of.etherType, protocol: of.protocol}] += n
		}
		for of, n := range sent {
			if got[of] != n {
				t.Errorf("EtherType %#x, protocol %d: %d, %d were sent", of.etherType, of.protocol, got[of], n)
			}
		}
		return 0
	})
}

// unlessMissed repeats a test during which the kernel skipped runs of the program: floods of other tests interrupt it.
func unlessMissed(t *testing.T, test func() (missed uint64)) {
	t.Helper()
	const attempts = 5
	for range attempts {
		missed := test()
		if missed == 0 {
			return
		}
		t.Logf("%d runs were missed", missed)
	}
	t.Errorf("in none of %d attempts the kernel ran the program each time", attempts)
}

// startInScope starts the program beside the one that knows owners, for one namespace and without a throttle.
func startInScope(t *testing.T, ns *bpftest.Namespace) (*bpf.Program, *bpftest.Recorder) {
	t.Helper()
	session := bpf.NewSession(nil)
	session.ScopeNetNS = ns.Inode
	t.Cleanup(func() { session.Close() })
	storage := bpf.NewInMemoryStorage()
	bpftest.Start(t, connection.NewProgram(storage, bpf.WithSession(session)))
	program := packet_drop.NewProgram(storage, bpf.WithSession(session))
	return program, bpftest.Start(t, program)
}

// settled waits for the records of so many drops, of which some may still be in the queue of a CPU, stops the program, and
// returns what was counted, which is to be what was recorded.
func settled(t *testing.T, program *bpf.Program, recorder *bpftest.Recorder, n int) map[kind]uint64 {
	t.Helper()
	bpftest.AwaitN(recorder, n, 10*time.Second, func(*packet_drop.Event) bool { return true })
	recorder.Stop(t)
	counted, recorded := make(map[kind]uint64), make(map[kind]uint64)
	for _, event := range recorder.Events() {
		tell(event, counted, recorded)
	}
	if stats := program.Status().Stats; stats.Lost+stats.Dropped > 0 {
		t.Errorf("not everything was recorded: %+v", stats)
	}
	if !maps.Equal(counted, recorded) {
		t.Errorf("counted %v, recorded %v", counted, recorded)
	}
	return counted
}

// tell adds an event to what was counted, or to what was recorded.
func tell(event bpf.BPFEvent, counted, recorded map[kind]uint64) {
	switch e := event.(type) {
	case *packet_drop.Tally:
		counted[kind{e.ReasonCode, e.Location(), e.EtherType, e.Protocol, e.Command}] += e.N
	case *packet_drop.Event:
		recorded[kind{e.ReasonCode, e.Location(), e.EtherType, e.Protocol, e.Command}]++
	}
}

// unrouted drops what looks like a packet from this host before the kernel looks for the way it came.
const unrouted = `
add chain inet t early { type filter hook prerouting priority 0; }
add rule inet t early tcp dport 40014 drop
`

// What a process sends and what comes from nobody, dropped at one place, is told apart.
func TestWhatHasNoOwnerIsNotCountedForOne(t *testing.T) {
	const n = 200
	ns := bpftest.NewNamespace(t)
	ns.Firewall(t, firewall+unrouted)
	unlessMissed(t, func() uint64 {
		program, recorder := startInScope(t, ns)
		var err error
		ns.Do(func() { err = syns(n) })
		if err != nil {
			t.Fatal(err)
		}
		byOwner := make(map[bool]uint64)
		counted := settled(t, program, recorder, 2*n)
		for of, count := range counted {
			if of.protocol == unix.IPPROTO_TCP {
				byOwner[of.command != ""] += count
			}
		}
		if missed := program.Status().Stats.Missed; missed > 0 {
			return missed
		}
		if byOwner[false] != n || byOwner[true] < n { // a SYN may be sent again
			t.Errorf("%v with an owner and without, want %d of both: %v", byOwner, n, counted)
		}
		return 0
	})
}

// syns has SYNs dropped on one CPU: of sockets, and between them those that only look like that.
func syns(n int) error {
	if err := bpftest.Pin(0); err != nil {
		return err
	}
	nobodys, err := dial("packet4", "")
	if err != nil {
		return err
	}
	defer nobodys.Close()
	segment := []byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, unix.IPPROTO_TCP, 0x7c, 0xce, 127, 0, 0, 1, 127, 0, 0, 1,
		0x9c, 0x4d, 0x9c, 0x4e, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 1, 0, 0, 0, 0, 0}
	for range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: 40011, Addr: [4]byte{127, 0, 0, 1}})
		if errors.Is(err, unix.EINPROGRESS) {
			_, err = nobodys.Write(segment)
		}
		if err := errors.Join(err, unix.Close(fd)); err != nil {
			return err
		}
	}
	return nil
}
