package bpf

import (
	"fmt"
	"testing"
	"time"
)

// later is a clock that was never stepped back.
var later = unix(1 << 33)

func unix(second int64) time.Time { return time.Unix(second, 0) }

func everyone(string) bool { return true }

// once is an occurrence of a process.
func once(pid uint32, command string) occurrences {
	return occurrences{owner: owner{pid, command}, n: 1}
}

// all sums everything since a moment.
func (t *tallies) all(now, since time.Time) uint64 {
	total, _ := t.sum(now, since, 0, everyone)
	return total
}

// talliesAt counts one occurrence of the same owner in each second.
func talliesAt(moments ...int64) *tallies {
	counts := newTallies()
	for _, second := range moments {
		counts.add(later, unix(second), once(1, "curl"))
	}
	return counts
}

func TestAWindowOfTwoMinutesCountsInSeconds(t *testing.T) {
	counts := talliesAt(1000, 1001, 1001, 1009)
	for since, want := range map[int64]uint64{990: 4, 1000: 4, 1001: 3, 1002: 1, 1009: 1, 1010: 0} {
		if got := counts.all(unix(1109), unix(since)); got != want {
			t.Errorf("since %d: %d, want %d", since, got, want)
		}
	}
	if got := counts.all(unix(1010), unix(1001).Add(time.Second/2)); got != 3 {
		t.Errorf("since the middle of a second: %d, want 3 with the whole second", got)
	}
}

func TestALongerWindowCountsInStretchesOfTenSeconds(t *testing.T) {
	counts := talliesAt(1000, 1009, 1010)
	for since, want := range map[int64]uint64{1000: 3, 1001: 3, 1009: 3, 1010: 1, 1019: 1, 1020: 0} {
		if got := counts.all(unix(1500), unix(since)); got != want {
			t.Errorf("since %d: %d, want %d", since, got, want)
		}
	}
}

func TestTheResolutionChangesAtTwoMinutes(t *testing.T) {
	counts := talliesAt(1000)
	if got := counts.all(unix(1120), unix(1001)); got != 0 {
		t.Errorf("a window of 119 s: %d, want 0: it is told in seconds", got)
	}
	if got := counts.all(unix(1121), unix(1001)); got != 1 {
		t.Errorf("a window of 120 s: %d, want 1: it is told in ten seconds", got)
	}
}

func TestTalliesReachBackAnHour(t *testing.T) {
	counts := talliesAt(10_000)
	for now, want := range map[int64]uint64{10_000: 1, 13_599: 1, 13_600: 0, 20_000: 0} {
		if got := counts.all(unix(now), time.Time{}); got != want {
			t.Errorf("after %d s: %d, want %d", now-10_000, got, want)
		}
	}
}

func TestTalliesOfADayStayWithinTheirBuckets(t *testing.T) {
	counts := newTallies()
	for second := range int64(86_400) {
		counts.add(later, unix(second), occurrences{owner: owner{uint32(second % 3), "curl"}, n: 2})
	}
	now := unix(86_399)
	if got := counts.all(now, now.Add(-59*time.Second)); got != 120 {
		t.Errorf("the last minute: %d, want 120", got)
	}
	if got := counts.all(now, time.Time{}); got != 7200 {
		t.Errorf("everything: %d, want 7200, an hour's", got)
	}
	if got, _ := counts.sum(now, time.Time{}, 1, everyone); got != 2400 {
		t.Errorf("everything of pid 1: %d, want 2400", got)
	}
}

func TestALatecomerDoesNotDisturbANewerBucket(t *testing.T) {
	counts := talliesAt(1000 + fineBuckets)
	counts.add(later, unix(1000), once(1, "curl")) // the same bucket of a second, another of ten seconds
	if got := counts.all(unix(1120), unix(1110)); got != 1 {
		t.Errorf("the last seconds: %d, want 1", got)
	}
	if got := counts.all(unix(1120), unix(900)); got != 2 {
		t.Errorf("the last minutes: %d, want 2", got)
	}
}

func TestOwnersThatDoNotFitAreCountedWithoutTheirName(t *testing.T) {
	const extra = 10
	counts := newTallies()
	for range 2 {
		for i := range maxOwners + extra {
			counts.add(later, unix(1000), once(uint32(i+1), fmt.Sprint("command-", i+1)))
		}
	}
	now := unix(1000)
	if got := counts.all(now, now); got != 2*(maxOwners+extra) {
		t.Errorf("all: %d, want %d: none is lost", got, 2*(maxOwners+extra))
	}
	for i, want := range map[int]uint64{1: 2, maxOwners: 2, maxOwners + 1: 0} {
		pid, command := uint32(i), fmt.Sprint("command-", i)
		ofPID, lack := counts.sum(now, now, pid, everyone)
		ofCommand, _ := counts.sum(now, now, 0, func(c string) bool { return c == command })
		if ofPID != want || ofCommand != want {
			t.Errorf("%s: %d by pid, %d by command, want %d", command, ofPID, ofCommand, want)
		}
		if lack.Unattributed != 2*extra {
			t.Errorf("%d are told to be counted for nobody, want %d", lack.Unattributed, 2*extra)
		}
	}
}

// What rows count is the sum of all, and what is counted for a process is a part of it.
func TestProcessesArePartsOfTheSum(t *testing.T) {
	counts, now := newTallies(), unix(1000)
	counts.add(later, now, occurrences{owner: owner{0, "curl"}, n: 5})
	counts.add(later, now, occurrences{owner: owner{7, "curl"}, n: 3, processOnly: true})
	counts.lack(later, now, 1, 2)
	if got := counts.all(now, now); got != 5 {
		t.Errorf("all: %d, want 5", got)
	}
	for command, want := range map[string]uint64{"curl": 3, "wget": 0} {
		got, a := counts.sum(now, now, 7, func(c string) bool { return c == command })
		if got != want || a.Unattributed != 2 {
			t.Errorf("pid 7 as %s: %d, %d for nobody, want %d and 2", command, got, a.Unattributed, want)
		}
	}
	if _, a := counts.sum(now, now, 0, everyone); a.Unattributed != 1 {
		t.Errorf("%d without a command, want 1", a.Unattributed)
	}
}

func TestTheSpanOfATallyIsPartOfTheResolution(t *testing.T) {
	counts := newTallies()
	counts.add(later, unix(1000), occurrences{owner: owner{1, "curl"}, n: 1, span: 10 * time.Second})
	counts.add(later, unix(1050), occurrences{owner: owner{1, "curl"}, n: 1, span: time.Second})
	for _, test := range []struct {
		since, now int64
		want       Accuracy
	}{
		{1040, 1060, Accuracy{Since: unix(1040).UTC(), Resolution: 2 * time.Second}},
		{1000, 1060, Accuracy{Since: unix(1000).UTC(), Resolution: 11 * time.Second}},
		{1005, 1500, Accuracy{Since: unix(1000).UTC(), Resolution: 20 * time.Second}},
		{1015, 1500, Accuracy{Since: unix(1010).UTC(), Resolution: 11 * time.Second}},
	} {
		if _, got := counts.sum(unix(test.now), unix(test.since), 0, everyone); got != test.want {
			t.Errorf("from %d to %d: %+v, want %+v", test.since, test.now, got, test.want)
		}
	}
}

func TestATimeBefore1970CountsAsTheFirstSecond(t *testing.T) {
	counts := talliesAt(-1, -9, -10, 0)
	counts.add(later, time.Time{}, once(1, "curl"))
	if got := counts.all(unix(5), time.Time{}); got != 5 {
		t.Errorf("%d, want 5", got)
	}
}

// What was counted before the clock was stepped back must neither stay in the window nor keep what comes now out of it.
func TestAClockThatIsSteppedBackCountsOn(t *testing.T) {
	counts := newTallies()
	for second := int64(8000); second < 8200; second++ {
		counts.add(unix(second), unix(second), once(1, "curl"))
	}
	for second := int64(1000); second < 1100; second++ {
		counts.add(unix(second), unix(second), once(1, "curl"))
	}
	for _, since := range []int64{1000, 900} {
		if got := counts.all(unix(1099), unix(since)); got != 100 {
			t.Errorf("since %d: %d, want 100", since, got)
		}
	}
}

// An event can be a moment ahead of the storage's clock; it counts all the same.
func TestATimeAheadOfTheClockCountsNow(t *testing.T) {
	counts := newTallies()
	counts.add(unix(1000), unix(1001), once(1, "curl"))
	if got := counts.all(unix(1000), unix(1000)); got != 1 {
		t.Errorf("%d, want 1", got)
	}
}
