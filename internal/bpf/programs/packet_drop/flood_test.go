package packet_drop_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

func TestAFloodIsCountedToThePacket(t *testing.T) {
	s := startStorm(t, func(*bpf.Session) {})
	wait := s.consume()
	s.floodFrom(t, "40009", "40009")
	s.check(t, wait)
}

// One sender's packets are dropped on its own CPU, on the way out; those of the other arrive there and interrupt it.
func TestAFloodThatInterruptsAnotherIsCountedToThePacket(t *testing.T) {
	interrupted(t, func(*bpf.Session) {}, 0)
}

// A run that is interrupted lasts long enough to outlive a turn that would not wait for it. No turn takes less than the
// interval here, although the next follows at once.
func TestTurnsBackToBackLoseNothing(t *testing.T) {
	interrupted(t, func(session *bpf.Session) { session.DrainEvery = time.Microsecond }, time.Millisecond)
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
	s := startStorm(t, func(session *bpf.Session) { session.MapBytes, session.DrainEvery = 1, time.Minute })
	s.interval = time.Minute // no turn in between: it would make room for the second half of the kinds
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

// The interface is that which a packet came in on; on its way out a packet is on none yet.
func TestRowsTellInterfacesApartIfAskedTo(t *testing.T) {
	for _, asked := range []bool{false, true} {
		s := startStorm(t, func(session *bpf.Session) { session.RowsBy.Interface = asked })
		wait := s.consume()
		datagrams(t, s.ns, "127.0.0.1:40009", 3, nil)
		datagrams(t, s.ns, "127.0.0.1:40010", 2, nil)
		s.program.Stop()
		wait()
		counts := make(map[string]uint64)
		for _, tally := range s.tallies {
			if tally.Class() == packet_drop.ClassLoss {
				counts[tally.Interface] += tally.N
			}
		}
		if asked && (counts["lo"] != 3 || counts[""] != 2) || !asked && counts[""] != 5 {
			t.Errorf("asked %v: %v", asked, counts)
		}
	}
}
