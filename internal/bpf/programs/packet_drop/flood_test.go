package packet_drop_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

const floodTime = 700 * time.Millisecond

// flood sends datagrams to a UDP port of 127.0.0.1, from a CPU, at full speed for floodTime each time it reads a line.
func flood(args []string, stdin io.Reader, stdout io.Writer) error {
	port, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	cpu, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	var cpus unix.CPUSet
	cpus.Set(cpu)
	if err := unix.SchedSetaffinity(0, &cpus); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		if err := sendAll(fd, time.Now().Add(floodTime)); err != nil {
			return err
		}
		fmt.Fprintln(stdout, "sent")
	}
	return nil
}

// sendAll sends until a deadline, many datagrams with one system call. A firewall that drops on the way out says EPERM.
func sendAll(fd int, until time.Time) error {
	const batch = 64
	type message struct {
		header unix.Msghdr
		_      uint64
	}
	payload := []byte("thirty-two bytes of a datagram..")
	part := unix.Iovec{Base: &payload[0]}
	part.SetLen(len(payload))
	var messages [batch]message
	for i := range messages {
		messages[i].header.Iov = &part
		messages[i].header.SetIovlen(1)
	}
	for time.Now().Before(until) {
		_, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&messages[0])), batch, 0, 0, 0)
		if errno != 0 && errno != unix.EPERM {
			return fmt.Errorf("sendmmsg: %w", errno)
		}
	}
	return nil
}

// rawProtocols sends an empty packet of every IP protocol but those that sockets here might answer.
func rawProtocols(rounds int) error {
	for protocol := 100; protocol < 255; protocol++ {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, protocol)
		if err != nil {
			return err
		}
		for range rounds {
			err = unix.Sendto(fd, []byte{1, 2, 3, 4}, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
			if err != nil && !errors.Is(err, unix.EPERM) {
				break
			}
			err = nil
		}
		if err := errors.Join(err, unix.Close(fd)); err != nil {
			return err
		}
	}
	return nil
}

// counted matches what a firewall's counters say.
var counted = regexp.MustCompile(`counter packets (\d+) bytes (\d+)`)

// dropped is what the firewall of a namespace counted, in packets and bytes.
func dropped(t *testing.T, ns *bpftest.Namespace) (packets, bytes uint64) {
	t.Helper()
	for _, match := range counted.FindAllStringSubmatch(ns.Run(t, "nft", "list", "ruleset"), -1) {
		p, _ := strconv.ParseUint(match[1], 10, 64)
		b, _ := strconv.ParseUint(match[2], 10, 64)
		packets, bytes = packets+p, bytes+b
	}
	return packets, bytes
}

// storm is a program under a flood of drops.
type storm struct {
	ns       *bpftest.Namespace
	program  *bpf.Program
	began    time.Time
	interval time.Duration
	throttle bpf.Throttle
	tallies  []*packet_drop.Tally
	records  uint64
}

// startStorm starts the program with settings; nobody reads its events before the first finish.
func startStorm(t *testing.T, set func(*bpf.Session)) *storm {
	t.Helper()
	s := &storm{ns: bpftest.NewNamespace(t)}
	s.ns.Firewall(t, firewall+"\nadd rule inet t in meta l4proto >= 100 counter drop\n")
	session := bpf.NewSession(nil)
	session.Throttle = bpf.Throttle{Row: 5, Program: 100, First: 200}
	session.DrainEvery = 50 * time.Millisecond
	set(session)
	s.interval, s.throttle = session.DrainEvery, session.Throttle
	t.Cleanup(func() { session.Close() })
	s.program = packet_drop.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session))
	for _, step := range []func() error{s.program.Load, s.program.Attach, func() error { return s.program.Start(t.Context()) }} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { s.program.Stop() })
	s.began = time.Now()
	return s
}

// consume reads events until the program ends.
func (s *storm) consume() (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for event := range s.program.GetEventChannel() {
			switch e := event.(type) {
			case *packet_drop.Tally:
				s.tallies = append(s.tallies, e)
			case *packet_drop.Event:
				s.records++
			}
		}
	}()
	return func() { <-done }
}

// floodFrom has two senders flood a port each, from the first two CPUs, and waits for them.
func (s *storm) floodFrom(t *testing.T, first, second string) {
	t.Helper()
	senders := []*bpftest.Process{
		s.ns.StartHelper(t, "kt-flood-one", "flood", first, "0"),
		s.ns.StartHelper(t, "kt-flood-two", "flood", second, strconv.Itoa(min(1, runtime.NumCPU()-1))),
	}
	for _, sender := range senders {
		sender.Send(t, "go")
	}
	for _, sender := range senders {
		sender.Line(t)
		sender.End(t)
	}
}

// steer has the first CPU handle what arrives on loopback, so that it interrupts what runs there.
func (s *storm) steer(t *testing.T) {
	t.Helper()
	s.ns.Run(t, "unshare", "--mount", "sh", "-c",
		"mount -t sysfs none /sys && echo 1 > /sys/class/net/lo/queues/rx-0/rps_cpus")
}

// check stops the program and compares what it counted with the firewall's own counters.
func (s *storm) check(t *testing.T, wait func()) bpf.Stats {
	t.Helper()
	if err := s.program.Stop(); err != nil {
		t.Error(err)
	}
	wait()
	stats := s.program.Status().Stats
	var packets, bytes uint64
	for _, tally := range s.tallies {
		if reason := tally.Reason(); reason == "NETFILTER_DROP" || reason == "" || reason == "NOT_SPECIFIED" && tally.Class() == packet_drop.ClassLoss {
			packets, bytes = packets+tally.N, bytes+tally.Sum
		}
	}
	wantPackets, wantBytes := dropped(t, s.ns)
	if packets+stats.Missed != wantPackets {
		t.Errorf("%d packets were counted and %d runs missed, the firewall dropped %d", packets, stats.Missed, wantPackets)
	}
	if stats.Missed == 0 && bytes != wantBytes {
		t.Errorf("%d bytes were counted, the firewall dropped %d", bytes, wantBytes)
	}
	if wantPackets < 1000 {
		t.Errorf("only %d packets: that was no flood", wantPackets)
	}
	identity(t, stats)
	s.checkThrottle(t, stats)
	t.Logf("%d packets in %s, %d missed, %d records, %d tallies", wantPackets, time.Since(s.began).Round(time.Millisecond),
		stats.Missed, stats.Recorded, len(s.tallies))
	return stats
}

// identity is law 3: every event has one outcome.
func identity(t *testing.T, stats bpf.Stats) {
	t.Helper()
	if stats.Tallied != stats.Recorded+stats.Throttled+stats.Counted+stats.Lost {
		t.Errorf("what was tallied does not add up: %+v", stats)
	}
	if stats.Seen != stats.Tallied+stats.Filtered+stats.Missed || stats.TalliesLost != 0 {
		t.Errorf("what was seen does not add up: %+v", stats)
	}
	if stats.Recorded != stats.Undecodable+stats.Dropped+stats.Delivered {
		t.Errorf("records do not add up: %+v", stats)
	}
}

func (s *storm) checkThrottle(t *testing.T, stats bpf.Stats) {
	t.Helper()
	if stats.Delivered != s.records {
		t.Errorf("%d records were read, %d delivered", s.records, stats.Delivered)
	}
	if s.throttle.Program == 0 {
		return
	}
	turns := uint64(time.Since(s.began)/s.interval) + 3
	if most := turns * uint64(s.throttle.Program+s.throttle.First); stats.Recorded > most {
		t.Errorf("%d records, want at most %d in %d turns of the ledger", stats.Recorded, most, turns)
	}
	if stats.Throttled == 0 {
		t.Error("nothing was throttled")
	}
}

func TestAFloodIsCountedToThePacket(t *testing.T) {
	s := startStorm(t, func(*bpf.Session) {})
	wait := s.consume()
	s.floodFrom(t, "40009", "40009")
	s.check(t, wait)
}

// One sender's packets are dropped on its own CPU, on the way out; those of the other arrive there and interrupt it.
func TestAFloodThatInterruptsAnotherIsCountedToThePacket(t *testing.T) {
	s := startStorm(t, func(*bpf.Session) {})
	s.steer(t)
	wait := s.consume()
	s.floodFrom(t, "40010", "40009")
	s.check(t, wait)
}

func TestTurnsBackToBackLoseNothing(t *testing.T) {
	s := startStorm(t, func(session *bpf.Session) { session.DrainEvery = time.Microsecond })
	s.interval = time.Millisecond // no turn takes less
	wait := s.consume()
	s.floodFrom(t, "40009", "40009")
	s.check(t, wait)
}

// Without a throttle and without a reader the channel is full of records at once: tallies wait and are merged.
func TestAStalledConsumerLosesNoCount(t *testing.T) {
	s := startStorm(t, func(session *bpf.Session) { session.Throttle = bpf.Throttle{} })
	s.floodFrom(t, "40009", "40009")
	wait := s.consume()
	s.floodFrom(t, "40009", "40009")
	if stats := s.check(t, wait); stats.Dropped == 0 {
		t.Errorf("the channel was never full: %+v", stats)
	}
	var longest time.Duration
	for _, tally := range s.tallies {
		longest = max(longest, tally.GetWallClockTime().Sub(tally.Since()))
	}
	if longest < floodTime/2 {
		t.Errorf("the longest tally counts %s: none was merged", longest)
	}
}

// There is room for 128 rows and there are more kinds of packets: the rest is counted by its reason alone.
func TestALedgerThatIsTooSmallLosesNoCount(t *testing.T) {
	s := startStorm(t, func(session *bpf.Session) { session.MapBytes, session.DrainEvery = 1, time.Second })
	s.interval = time.Second
	wait := s.consume()
	var err error
	s.ns.Do(func() { err = rawProtocols(20) })
	if err != nil {
		t.Fatal(err)
	}
	stats := s.check(t, wait)
	if stats.Overflowed == 0 {
		t.Errorf("the ledger was large enough: %+v", stats)
	}
	kinds := make(map[string]bool)
	for _, tally := range s.tallies {
		kinds[fmt.Sprint(tally.HasProtocol, tally.Protocol)] = true
	}
	if len(kinds) < 100 || !kinds["false 0"] {
		t.Errorf("%d kinds were told apart, the overflow is among them: %v", len(kinds), kinds["false 0"])
	}
}

// What is rare has its first record in the middle of a storm.
func TestAStormDoesNotHideWhatIsRare(t *testing.T) {
	s := startStorm(t, func(session *bpf.Session) {
		session.DrainEvery, session.Throttle = time.Minute, bpf.Throttle{Row: 5, Program: 5, First: 50}
	})
	rare := netip.MustParseAddrPort("127.0.0.1:40012")
	var found []*packet_drop.Event
	done := make(chan struct{})
	go func() {
		defer close(done)
		for event := range s.program.GetEventChannel() {
			if e, ok := event.(*packet_drop.Event); ok && e.Destination == rare {
				found = append(found, e)
			}
		}
	}()
	s.floodFrom(t, "40009", "40009")
	s.ns.Do(func() {
		conn, err := net.Dial("udp", rare.String())
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		conn.Write([]byte("anybody there?"))
	})
	s.program.Stop()
	<-done
	if stats := s.program.Status().Stats; len(found) != 1 || stats.Recorded > 55 || stats.Throttled == 0 {
		t.Errorf("%d records of what is rare: %+v", len(found), stats)
	}
}
