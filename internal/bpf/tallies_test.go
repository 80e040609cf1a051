package bpf

import (
	"fmt"
	"testing"
	"time"
)

// later is a clock that was never stepped back.
var later = unix(1 << 33)

func unix(second int64) time.Time { return time.Unix(second, 0) }

func everyone(owner) bool { return true }

// talliesAt counts one occurrence of the same owner in each second.
func talliesAt(moments ...int64) *tallies {
	counts := newTallies()
	for _, second := range moments {
		counts.add(later, unix(second), 1, "curl", 1)
	}
	return counts
}

func TestAWindowOfTwoMinutesCountsInSeconds(t *testing.T) {
	counts := talliesAt(1000, 1001, 1001, 1009)
	for since, want := range map[int64]uint64{990: 4, 1000: 4, 1001: 3, 1002: 1, 1009: 1, 1010: 0} {
		if got := counts.sum(unix(1109), unix(since), everyone); got != want {
			t.Errorf("since %d: %d, want %d", since, got, want)
		}
	}
	if got := counts.sum(unix(1010), unix(1001).Add(time.Second/2), everyone); got != 3 {
		t.Errorf("since the middle of a second: %d, want 3 with the whole second", got)
	}
}

func TestALongerWindowCountsInStretchesOfTenSeconds(t *testing.T) {
	counts := talliesAt(1000, 1009, 1010)
	for since, want := range map[int64]uint64{1000: 3, 1001: 3, 1009: 3, 1010: 1, 1019: 1, 1020: 0} {
		if got := counts.sum(unix(1500), unix(since), everyone); got != want {
			t.Errorf("since %d: %d, want %d", since, got, want)
		}
	}
}

func TestTheResolutionChangesAtTwoMinutes(t *testing.T) {
	counts := talliesAt(1000)
	if got := counts.sum(unix(1120), unix(1001), everyone); got != 0 {
		t.Errorf("a window of 119 s: %d, want 0: it is told in seconds", got)
	}
	if got := counts.sum(unix(1121), unix(1001), everyone); got != 1 {
		t.Errorf("a window of 120 s: %d, want 1: it is told in ten seconds", got)
	}
}

func TestTalliesReachBackAnHour(t *testing.T) {
	counts := talliesAt(10_000)
	for now, want := range map[int64]uint64{10_000: 1, 13_599: 1, 13_600: 0, 20_000: 0} {
		if got := counts.sum(unix(now), time.Time{}, everyone); got != want {
			t.Errorf("after %d s: %d, want %d", now-10_000, got, want)
		}
	}
}

func TestTalliesOfADayStayWithinTheirBuckets(t *testing.T) {
	counts := newTallies()
	for second := range int64(86_400) {
		counts.add(later, unix(second), uint32(second%3), "curl", 2)
	}
	now := unix(86_399)
	if got := counts.sum(now, now.Add(-59*time.Second), everyone); got != 120 {
		t.Errorf("the last minute: %d, want 120", got)
	}
	if got := counts.sum(now, time.Time{}, everyone); got != 7200 {
		t.Errorf("everything: %d, want 7200, an hour's", got)
	}
	if got := counts.sum(now, time.Time{}, func(who owner) bool { return who.pid == 1 }); got != 2400 {
		t.Errorf("everything of pid 1: %d, want 2400", got)
	}
}

func TestALatecomerDoesNotDisturbANewerBucket(t *testing.T) {
	counts := talliesAt(1000 + fineBuckets)
	counts.add(later, unix(1000), 1, "curl", 1) // the same bucket of a second, another of ten seconds
	if got := counts.sum(unix(1120), unix(1110), everyone); got != 1 {
		t.Errorf("the last seconds: %d, want 1", got)
	}
	if got := counts.sum(unix(1120), unix(900), everyone); got != 2 {
		t.Errorf("the last minutes: %d, want 2", got)
	}
}

func TestOwnersThatDoNotFitAreCountedWithoutTheirName(t *testing.T) {
	const extra = 10
	counts := newTallies()
	for range 2 {
		for i := range maxOwners + extra {
			counts.add(later, unix(1000), uint32(i+1), fmt.Sprint("command-", i+1), 1)
		}
	}
	count := func(match func(owner) bool) uint64 { return counts.sum(unix(1000), unix(1000), match) }
	if got := count(everyone); got != 2*(maxOwners+extra) {
		t.Errorf("all: %d, want %d: none is lost", got, 2*(maxOwners+extra))
	}
	if got := count(func(who owner) bool { return who.pid == maxOwners }); got != 2 {
		t.Errorf("an owner that fits: %d, want 2", got)
	}
	if got := count(func(who owner) bool { return who.pid > maxOwners }); got != 0 {
		t.Errorf("owners that do not fit: %d, want 0", got)
	}
	if got := count(func(who owner) bool { return who == owner{} }); got != 2*extra {
		t.Errorf("without a name: %d, want %d", got, 2*extra)
	}
}

func TestATimeBefore1970CountsAsTheFirstSecond(t *testing.T) {
	counts := talliesAt(-1, -9, -10, 0)
	counts.add(later, time.Time{}, 1, "curl", 1)
	if got := counts.sum(unix(5), time.Time{}, everyone); got != 5 {
		t.Errorf("%d, want 5", got)
	}
}

// What was counted before the clock was stepped back must neither stay in the window nor keep what comes now out of it.
func TestAClockThatIsSteppedBackCountsOn(t *testing.T) {
	counts := newTallies()
	for second := int64(8000); second < 8200; second++ {
		counts.add(unix(second), unix(second), 1, "curl", 1)
	}
	for second := int64(1000); second < 1100; second++ {
		counts.add(unix(second), unix(second), 1, "curl", 1)
	}
	for _, since := range []int64{1000, 900} {
		if got := counts.sum(unix(1099), unix(since), everyone); got != 100 {
			t.Errorf("since %d: %d, want 100", since, got)
		}
	}
}

// An event can be a moment ahead of the storage's clock; it counts all the same.
func TestATimeAheadOfTheClockCountsNow(t *testing.T) {
	counts := newTallies()
	counts.add(unix(1000), unix(1001), 1, "curl", 1)
	if got := counts.sum(unix(1000), unix(1000), everyone); got != 1 {
		t.Errorf("%d, want 1", got)
	}
}
