package kernel

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fakeClocks are the kernel's clocks under the control of a test. Every reading of the monotonic clock takes as long
// as the next of delays says.
type fakeClocks struct {
	mu                    sync.Mutex
	monotonic, wall, boot int64
	delays                []int64
	readings              int
}

func (f *fakeClocks) read(clock int32) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readings++
	switch clock {
	case unix.CLOCK_MONOTONIC:
		if len(f.delays) > 0 {
			f.pass(f.delays[0])
			f.delays = f.delays[1:]
		}
		return f.monotonic
	case unix.CLOCK_BOOTTIME:
		return f.boot
	default:
		return f.wall
	}
}

func (f *fakeClocks) pass(ns int64) {
	f.monotonic += ns
	f.wall += ns
	f.boot += ns
}

func (f *fakeClocks) suspend(ns int64) {
	f.wall += ns
	f.boot += ns
}

const second = int64(time.Second)

func newFakeClocks() *fakeClocks {
	return &fakeClocks{monotonic: 1000 * second, boot: 1500 * second, wall: 1_700_000_000 * second}
}

func TestClockFollowsWhatChangesTheOffset(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*fakeClocks)
		moved  int64
	}{
		"nothing":        {func(f *fakeClocks) { f.pass(second) }, 0},
		"suspend":        {func(f *fakeClocks) { f.suspend(3600 * second); f.pass(second) }, 3600 * second},
		"step forwards":  {func(f *fakeClocks) { f.wall += 5 * second; f.pass(second) }, 5 * second},
		"step backwards": {func(f *fakeClocks) { f.wall -= 5 * second; f.pass(second) }, -5 * second},
	} {
		t.Run(name, func(t *testing.T) {
			clocks := newFakeClocks()
			clock := newClock(clocks.read, timeSkew{})
			before := clock.Offset(uint64(clocks.monotonic))
			tc.change(clocks)
			if moved := clock.Offset(uint64(clocks.monotonic)) - before; moved != tc.moved {
				t.Errorf("the offset moved by %v, want %v", time.Duration(moved), time.Duration(tc.moved))
			}
		})
	}
}

func TestClockReadsOnlyPastTheAnchorsAge(t *testing.T) {
	clocks := newFakeClocks()
	clock := newClock(clocks.read, timeSkew{})
	anchor := clock.anchor.Load()
	clocks.readings = 0
	for _, timestamp := range []uint64{0, anchor - 1, anchor, anchor + anchorAge} {
		clock.Offset(timestamp)
	}
	if clocks.readings != 0 {
		t.Errorf("%d readings for timestamps near the anchor, want none", clocks.readings)
	}
	clock.Offset(anchor + anchorAge + 1)
	if clocks.readings == 0 {
		t.Error("no reading for a timestamp past the anchor's age")
	}
}

func TestClockKeepsTheTightestReading(t *testing.T) {
	clocks := newFakeClocks()
	offset := clocks.wall - clocks.monotonic
	ms := int64(time.Millisecond)
	// Pairs of delays before the first and the second reading of each try; the wall clock is read between them.
	clocks.delays = []int64{0, 40 * ms, 0, 10 * ms, 0, 2 * anchorGap, 0, 20 * ms, 0, 30 * ms}
	clock := newClock(clocks.read, timeSkew{})
	if got, want := clock.offset.Load(), offset-anchorGap; got != want {
		t.Errorf("offset is off by %v, want half the tightest gap, %v", time.Duration(offset-got), time.Duration(anchorGap))
	}
}

func TestClockStopsAtTheFirstGoodReading(t *testing.T) {
	clocks := newFakeClocks()
	newClock(clocks.read, timeSkew{})
	if clocks.readings != 3 {
		t.Errorf("%d readings, want the 3 of one try", clocks.readings)
	}
}

func TestClockSeesThroughTimeNamespaces(t *testing.T) {
	host := newFakeClocks()
	inside := newFakeClocks()
	inside.monotonic += 7 * second
	inside.boot += 9 * second
	want := newClock(host.read, timeSkew{})
	got := newClock(inside.read, timeSkew{monotonic: 7 * second, boot: 9 * second})
	if got.Offset(0) != want.Offset(0) || !got.BootTime().Equal(want.BootTime()) {
		t.Errorf("offset %d and boot %v inside, %d and %v outside",
			got.Offset(0), got.BootTime(), want.Offset(0), want.BootTime())
	}
}

func TestBootTime(t *testing.T) {
	clocks := newFakeClocks()
	want := time.Unix(1_700_000_000-1500, 0).UTC()
	if got := newClock(clocks.read, timeSkew{}).BootTime(); got != want {
		t.Errorf("boot time %v, want %v", got, want)
	}
}

func TestParseTimeSkew(t *testing.T) {
	for input, want := range map[string]timeSkew{
		"": {},
		"monotonic           0         0\nboottime            0         0\n": {},
		"monotonic 7 5\nboottime -9 1\n":                                     {7*second + 5, -9*second + 1},
		"monotonic seven 5\nboottime\nother 1 1\n":                           {},
	} {
		if got := parseTimeSkew(strings.NewReader(input)); got != want {
			t.Errorf("%q: %+v, want %+v", input, got, want)
		}
	}
}

func TestClockOfThisKernel(t *testing.T) {
	clock := NewClock()
	now := readClock(unix.CLOCK_MONOTONIC) - clock.skew.monotonic
	told := time.Unix(0, now+clock.Offset(uint64(now)))
	if off := time.Since(told).Abs(); off > time.Second {
		t.Errorf("the clock is %v off", off)
	}
	if _, err := os.Stat("/proc/uptime"); err == nil && !clock.BootTime().Before(time.Now()) {
		t.Errorf("boot time %v is not in the past", clock.BootTime())
	}
}

func TestClockIsSafeForConcurrentUse(t *testing.T) {
	clocks := newFakeClocks()
	clock := newClock(clocks.read, timeSkew{})
	want := clocks.wall - clocks.monotonic
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			timestamp := uint64(1000 * second)
			for range 1000 {
				timestamp += anchorAge
				if got := clock.Offset(timestamp); got != want {
					t.Errorf("offset %d, want %d", got, want)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestClockAllocatesNothing(t *testing.T) {
	clock := NewClock()
	if n := testing.AllocsPerRun(100, func() { clock.Offset(clock.anchor.Load() + 2*anchorAge) }); n != 0 {
		t.Errorf("%v allocations an offset, want none", n)
	}
}

func BenchmarkClockOffset(b *testing.B) {
	clock := NewClock()
	b.Run("anchored", func(b *testing.B) {
		timestamp := clock.anchor.Load()
		b.ReportAllocs()
		for b.Loop() {
			clock.Offset(timestamp)
		}
	})
	b.Run("reanchored", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			clock.Offset(clock.anchor.Load() + 2*anchorAge)
		}
	})
}
