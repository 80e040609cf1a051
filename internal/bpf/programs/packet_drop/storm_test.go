package packet_drop_test

import (
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

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
	floor    *bpftest.Floor // a program that only counts, for floods that interrupt each other
	skipped  bool
}

// startStorm starts the program with settings; nobody reads its events before the first finish.
func startStorm(t *testing.T, set func(*bpf.Session)) *storm {
	t.Helper()
	s := &storm{ns: bpftest.NewNamespace(t)}
	s.ns.Firewall(t, firewall+"\nadd rule inet t in meta l4proto >= 100 counter drop\n")
	session := bpf.NewSession(nil)
	session.Throttle = bpf.Throttle{Row: 5, Program: 100, First: 200}
	session.DrainEvery = 50 * time.Millisecond
	session.ScopeNetNS = s.ns.Inode // other tests drop packets, too
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
	// What another CPU handles may still be in its queue.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for before, now := uint64(0), uint64(1); before != now; <-tick.C {
		before = now
		now, _ = dropped(t, s.ns)
	}
}

// kernelSkipped tells whether the kernel ran no program at all for some of the drops, as Linux 6.18 was seen to do for
// bursts of them where a flood interrupts another on a CPU that a third process wants: the bare counting program beside
// this one must lack the same ones, whose runs are no misses either. Only what arrived in tallies is compared with it.
func (s *storm) kernelSkipped(t *testing.T, firewall, packets uint64, stats bpf.Stats) bool {
	t.Helper()
	all := stats.Filtered
	for _, tally := range s.tallies {
		all += tally.N
	}
	lacking := int64(firewall - packets - stats.Missed)
	others := all - packets
	lackingThere := int64(firewall + others - s.floor.Seen(t))
	// Buffers that are no packets pass the hook, too, and the two programs neither begin nor end at one moment: beside
	// other tests, whose drops are the others, that makes more of a difference.
	slack := int64(50 + 2*others)
	if lacking <= 0 || lacking < lackingThere-slack || lacking > lackingThere+slack {
		return false
	}
	t.Logf("the kernel ran no program for %d of %d drops (a program that only counts lacks %d)", lacking, firewall, lackingThere)
	s.skipped = true
	return true
}

// interrupted repeats a flood that interrupts another until the kernel has run the programs for all of it.
func interrupted(t *testing.T, set func(*bpf.Session), interval time.Duration) {
	t.Helper()
	const attempts = 25
	for range attempts {
		s := startStorm(t, set)
		s.floor = bpftest.StartFloor(t, "kfree_skb")
		s.interval = max(s.interval, interval)
		s.ns.Steer(t, "1") // the first CPU, on which one of the senders is
		wait := s.consume()
		s.floodFrom(t, "40010", "40009")
		s.check(t, wait)
		if !s.skipped {
			return
		}
	}
	t.Errorf("in none of %d floods the kernel ran the programs for every drop", attempts)
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
		if droppedByFirewall(tally) {
			packets, bytes = packets+tally.N, bytes+tally.Sum
		}
	}
	wantPackets, wantBytes := dropped(t, s.ns)
	identity(t, stats)
	if s.floor != nil && s.kernelSkipped(t, wantPackets, packets, stats) {
		return stats
	}
	if packets+stats.Missed != wantPackets {
		t.Errorf("%d packets were counted and %d runs missed, the firewall dropped %d", packets, stats.Missed, wantPackets)
	}
	if stats.Missed == 0 && bytes != wantBytes {
		t.Errorf("%d bytes were counted, the firewall dropped %d", bytes, wantBytes)
	}
	if wantPackets < 1000 {
		t.Errorf("only %d packets: that was no flood", wantPackets)
	}
	s.checkThrottle(t, stats)
	t.Logf("%d packets in %s, %d missed, %d records, %d tallies", wantPackets, time.Since(s.began).Round(time.Millisecond),
		stats.Missed, stats.Recorded, len(s.tallies))
	return stats
}

// droppedByFirewall tells whether a tally is of drops by the firewall. Kernels without reasons do not tell them from those of a
// full queue between CPUs, but the place does.
func droppedByFirewall(tally *packet_drop.Tally) bool {
	switch tally.Reason() {
	case "NETFILTER_DROP":
		return true
	case "":
		return !strings.HasPrefix(tally.Location(), "enqueue_to_backlog")
	case "NOT_SPECIFIED":
		return tally.Class() == packet_drop.ClassLoss
	}
	return false
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
	rows := make(map[string]bool)
	for _, tally := range s.tallies {
		rows[fmt.Sprint(tally.ReasonCode, tally.Location(), tally.Command, tally.EtherType, tally.Protocol, tally.Class())] = true
	}
	if most := turns * uint64(s.throttle.Row) * uint64(len(rows)); stats.Recorded > most {
		t.Errorf("%d records, want at most %d of %d rows in %d turns of the ledger", stats.Recorded, most, len(rows), turns)
	}
	if stats.Throttled == 0 {
		t.Error("nothing was throttled")
	}
}
