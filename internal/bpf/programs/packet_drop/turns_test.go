package packet_drop_test

import (
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
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

// packets each differ from another one in a single thing: the place where they are dropped, the reason, the protocols.
var packets = []struct {
	network, address string
	payload          []byte
}{
	{"udp4", "127.0.0.1:40009", []byte("a firewall's rule")},
	{"udp4", "127.0.0.1:40013", []byte("a firewall's policy")},
	{"udp6", "[::1]:40009", []byte("a firewall's rule")},
	{"ip4:100", "127.0.0.1", []byte("a firewall's rule")},
	{"ip4:101", "127.0.0.1", []byte("a firewall's rule")},
	{"ip6:100", "::1", []byte("a firewall's rule")},
	{"udp4", "127.0.0.1:40012", []byte("no socket")},
	{"packet", "", datagram(0x45, 21, 0x101)},  // a wrong checksum
	{"packet", "", datagram(0x45, 99, 0x7c88)}, // cut off
	{"packet", "", datagram(0x45, 10, 0x7ce1)}, // said to be shorter than its header
	{"no packet", "", datagram(0x55, 21, 0)},   // no version 4
	{"no packet", "", datagram(0x44, 21, 0)},   // a header too short to be one
	{"no packet", "", datagram(0x45, 21, 0)[:16]},
}

// datagram is what is sent as an IPv4 packet: the first byte of its header, its length and checksum, a byte of payload.
func datagram(first, length byte, sum uint16) []byte {
	packet := []byte{first, 0, 0, length, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 'x'}
	binary.BigEndian.PutUint16(packet[10:], sum)
	return packet
}

// policy drops what reaches its end.
const policy = `
add chain inet t last { type filter hook input priority 10; policy drop; }
add rule inet t last meta l4proto != udp accept
add rule inet t last udp dport != 40013 accept
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
	nobodys, err := dial("packet", "")
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

// inTurns sends packets of all kinds in random turns, and tells how many of each protocol.
func inTurns(turns int) (map[kind]uint64, error) {
	if err := bpftest.Pin(0); err != nil {
		return nil, err
	}
	var conns []io.WriteCloser
	for _, packet := range packets {
		conn, err := dial(packet.network, packet.address)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	sent := make(map[kind]uint64)
	for range turns {
		i := rand.IntN(len(packets))
		for range 1 + rand.IntN(3) {
			_, err := conns[i].Write(packets[i].payload)
			if errors.Is(err, syscall.ECONNREFUSED) { // that nobody was there for the one before
				_, err = conns[i].Write(packets[i].payload)
			}
			if err != nil {
				return nil, err
			}
			sent[protocols[packets[i].network]]++
		}
	}
	return sent, nil
}

// dial opens a connection, or what sends whole packets as they are.
func dial(network, address string) (io.WriteCloser, error) {
	if !strings.HasSuffix(network, "packet") {
		return net.Dial(network, address)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	return loopback(fd), err
}

// loopback is a packet socket that sends over the loopback device, and receives nothing.
type loopback int

func (fd loopback) Write(packet []byte) (int, error) {
	ipv4 := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP))
	err := unix.Sendto(int(fd), packet, 0, &unix.SockaddrLinklayer{Protocol: ipv4, Ifindex: 1})
	return len(packet), err
}

func (fd loopback) Close() error { return unix.Close(int(fd)) }

// protocols are those of networks.
var protocols = map[string]kind{
	"udp4":      {etherType: 0x0800, protocol: 17},
	"udp6":      {etherType: 0x86dd, protocol: 17},
	"packet":    {etherType: 0x0800, protocol: 17},
	"no packet": {etherType: 0x0800},
	"ip4:100":   {etherType: 0x0800, protocol: 100},
	"ip4:101":   {etherType: 0x0800, protocol: 101},
	"ip6:100":   {etherType: 0x86dd, protocol: 100},
}
