package bpftest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
)

// TestStorage tests that a storage keeps the contract of bpf.EventStorage. Each part gets an empty storage, which
// keeps at least a thousand records, answers for at least ten minutes, and may sum tallies in stretches of up to ten
// seconds. Its ages are those of the wall clock.
func TestStorage(t *testing.T, empty func(t *testing.T) bpf.EventStorage) {
	for _, part := range []struct {
		name string
		test func(*testing.T, bpf.EventStorage)
	}{
		{"nil is refused", nilIsRefused},
		{"an empty storage answers", emptyAnswers},
		{"records are found by pid, command and type", recordsAreFound},
		{"since is inclusive", sinceIsInclusive},
		{"the oldest record comes first", oldestComesFirst},
		{"answers belong to the caller", answersBelongToTheCaller},
		{"Count sums tallies, and zero values match all", countSumsTallies},
		{"Count honours its window", countHonoursItsWindow},
		{"counted events are summed and not kept", countedEventsAreNotKept},
		{"it is safe for concurrent use", concurrentUse},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, empty(t)) })
	}
}

// plain is an event that says nothing about its tally: it adds one and is kept.
type plain struct {
	bpf.BaseEvent
	kind string
}

func (e *plain) GetEventType() string { return e.kind }

// tallied is an event that knows what it adds and how far it travels.
type tallied struct {
	plain
	tally  uint64
	detail bpf.Detail
}

func (e *tallied) Tally() uint64      { return e.tally }
func (e *tallied) Detail() bpf.Detail { return e.detail }

func eventAt(at time.Time, kind string, pid uint32, command string) *plain {
	return &plain{bpf.BaseEvent{PID: pid, Command: command, Timestamp: uint64(at.UnixNano())}, kind}
}

func store(t *testing.T, storage bpf.EventStorage, events ...bpf.BPFEvent) {
	t.Helper()
	for _, event := range events {
		if err := storage.Store(event); err != nil {
			t.Fatalf("store %+v: %v", event, err)
		}
	}
}

// expect fails the test unless a query returned exactly these events in this order.
func expect(t *testing.T, query string, got []bpf.BPFEvent, err error, want ...bpf.BPFEvent) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", query, err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: %s, want %s", query, list(got), list(want))
	}
}

// list shows events as type/command[pid]@second.
func list(events []bpf.BPFEvent) string {
	var texts []string
	for _, e := range events {
		texts = append(texts, fmt.Sprintf("%s/%s[%d]@%d", e.GetEventType(), e.GetCommand(), e.GetPID(),
			e.GetWallClockTime().Unix()))
	}
	return fmt.Sprint(texts)
}

func nilIsRefused(t *testing.T, storage bpf.EventStorage) {
	if err := storage.Store(nil); err == nil {
		t.Error("a nil event was stored")
	}
	if n := storage.Count(0, "", "", time.Time{}); n != 0 {
		t.Errorf("a nil event was counted %d times", n)
	}
}

func emptyAnswers(t *testing.T, storage bpf.EventStorage) {
	got, err := storage.GetByPID(1, time.Time{})
	expect(t, "by pid", got, err)
	got, err = storage.GetByCommand("", time.Time{})
	expect(t, "by command", got, err)
	got, err = storage.GetByType("a", time.Time{})
	expect(t, "by type", got, err)
	if n := storage.Count(0, "", "", time.Time{}); n != 0 {
		t.Errorf("count %d, want 0", n)
	}
}

func recordsAreFound(t *testing.T, storage bpf.EventStorage) {
	now := time.Now()
	curl := eventAt(now.Add(-3*time.Second), "a", 1, "curl")
	nginx := eventAt(now.Add(-2*time.Second), "a", 2, "Nginx-worker")
	other := eventAt(now.Add(-1*time.Second), "b", 1, "")
	store(t, storage, curl, nginx, other)
	for pid, want := range map[uint32][]bpf.BPFEvent{1: {curl, other}, 2: {nginx}, 3: nil} {
		got, err := storage.GetByPID(pid, time.Time{})
		expect(t, fmt.Sprintf("by pid %d", pid), got, err, want...)
	}
	for command, want := range map[string][]bpf.BPFEvent{
		"curl": {curl}, "CUR": {curl}, "nginx": {nginx}, "X-W": {nginx}, "n": {nginx}, "wget": nil,
		"": {curl, nginx, other},
	} {
		got, err := storage.GetByCommand(command, time.Time{})
		expect(t, fmt.Sprintf("by command %q", command), got, err, want...)
	}
	for kind, want := range map[string][]bpf.BPFEvent{"a": {curl, nginx}, "b": {other}, "A": nil, "ab": nil} {
		got, err := storage.GetByType(kind, time.Time{})
		expect(t, fmt.Sprintf("by type %q", kind), got, err, want...)
	}
}

func sinceIsInclusive(t *testing.T, storage bpf.EventStorage) {
	at := time.Now().Add(-time.Second)
	event := eventAt(at, "a", 1, "curl")
	store(t, storage, event)
	for _, query := range []struct {
		name string
		ask  func(since time.Time) ([]bpf.BPFEvent, error)
	}{
		{"by pid", func(since time.Time) ([]bpf.BPFEvent, error) { return storage.GetByPID(1, since) }},
		{"by command", func(since time.Time) ([]bpf.BPFEvent, error) { return storage.GetByCommand("curl", since) }},
		{"by type", func(since time.Time) ([]bpf.BPFEvent, error) { return storage.GetByType("a", since) }},
	} {
		got, err := query.ask(at)
		expect(t, query.name+" since its own moment", got, err, event)
		got, err = query.ask(at.Add(time.Nanosecond))
		expect(t, query.name+" since a moment later", got, err)
	}
}

func oldestComesFirst(t *testing.T, storage bpf.EventStorage) {
	now := time.Now()
	var want []bpf.BPFEvent
	for i := range 9 {
		want = append(want, eventAt(now.Add(time.Duration(i-9)*time.Second), "a", 1, "curl"))
	}
	for _, i := range []int{4, 0, 8, 2, 6, 1, 7, 3, 5} { // CPUs report out of order
		store(t, storage, want[i])
	}
	got, err := storage.GetByType("a", time.Time{})
	expect(t, "by type", got, err, want...)
	got, err = storage.GetByPID(1, now.Add(-5*time.Second))
	expect(t, "by pid", got, err, want[4:]...)
}

func answersBelongToTheCaller(t *testing.T, storage bpf.EventStorage) {
	event := eventAt(time.Now(), "a", 1, "curl")
	store(t, storage, event)
	got, err := storage.GetByType("a", time.Time{})
	expect(t, "by type", got, err, event)
	clear(got)
	got, err = storage.GetByType("a", time.Time{})
	expect(t, "by type after the answer was cleared", got, err, event)
}

func countSumsTallies(t *testing.T, storage bpf.EventStorage) {
	at := time.Now().Add(-time.Second)
	store(t, storage,
		eventAt(at, "a", 1, "curl"),
		&tallied{*eventAt(at, "a", 1, "curl"), 0, bpf.Kept},
		&tallied{*eventAt(at, "a", 2, "Nginx"), 7, bpf.Exported},
		&tallied{*eventAt(at, "b", 1, "curl"), 100, bpf.Kept})
	for _, test := range []struct {
		pid           uint32
		command, kind string
		want          int
	}{
		{0, "", "", 108}, {0, "", "a", 8}, {0, "", "b", 100}, {0, "", "c", 0},
		{1, "", "", 101}, {1, "", "a", 1}, {2, "", "a", 7}, {3, "", "", 0},
		{0, "NGIN", "", 7}, {0, "curl", "", 101}, {0, "url", "a", 1}, {0, "wget", "", 0},
		{1, "curl", "b", 100}, {2, "curl", "", 0},
	} {
		if got := storage.Count(test.pid, test.command, test.kind, time.Time{}); got != test.want {
			t.Errorf("count of pid %d, command %q, type %q: %d, want %d", test.pid, test.command, test.kind, got, test.want)
		}
	}
}

func countHonoursItsWindow(t *testing.T, storage bpf.EventStorage) {
	now := time.Now()
	store(t, storage,
		&tallied{*eventAt(now.Add(-5*time.Minute), "a", 1, "curl"), 10, bpf.Kept},
		&tallied{*eventAt(now.Add(-30*time.Second), "a", 1, "curl"), 1, bpf.Kept})
	for window, want := range map[time.Duration]int{10 * time.Second: 0, time.Minute: 1, 4 * time.Minute: 1, 6 * time.Minute: 11} {
		if got := storage.Count(0, "", "", now.Add(-window)); got != want {
			t.Errorf("count of the last %v: %d, want %d", window, got, want)
		}
	}
}

func countedEventsAreNotKept(t *testing.T, storage bpf.EventStorage) {
	at := time.Now().Add(-time.Second)
	counted := &tallied{*eventAt(at, "a", 1, "curl"), 5, bpf.Counted}
	kept := &tallied{*eventAt(at, "a", 1, "curl"), 0, bpf.Kept}
	store(t, storage, counted, kept)
	got, err := storage.GetByType("a", time.Time{})
	expect(t, "by type", got, err, kept)
	if n := storage.Count(1, "", "a", time.Time{}); n != 5 {
		t.Errorf("count %d, want 5", n)
	}
}

func concurrentUse(t *testing.T, storage bpf.EventStorage) {
	const writers, each = 4, 200
	at := time.Now().Add(-time.Second)
	var working sync.WaitGroup
	for pid := range uint32(writers) {
		working.Go(func() {
			for i := range each {
				if err := storage.Store(eventAt(at.Add(time.Duration(i)), "a", pid+1, "curl")); err != nil {
					t.Error(err)
				}
			}
		})
		working.Go(func() {
			for range each {
				got, err := storage.GetByPID(pid+1, at)
				if err != nil || len(got) > each || storage.Count(pid+1, "", "a", at) > each {
					t.Errorf("while others store: %d records, %v", len(got), err)
				}
			}
		})
	}
	working.Wait()
	got, err := storage.GetByType("a", at)
	if len(got) != writers*each || err != nil {
		t.Errorf("%d records, %v, want %d", len(got), err, writers*each)
	}
	if n := storage.Count(0, "", "", at); n != writers*each {
		t.Errorf("count %d, want %d", n, writers*each)
	}
}
