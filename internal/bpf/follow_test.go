package bpf_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
)

// numberedEvent is the n-th record of a test.
type numberedEvent struct {
	bpf.BaseEvent
	kind string
}

func (e *numberedEvent) GetEventType() string { return e.kind }

// follow lists what a follower gets, as the pids of the records, and its position.
func follow(s *bpf.InMemoryStorage, after uint64, limit int) string {
	events, at := s.Follow(after, limit)
	var pids []uint32
	for _, e := range events {
		pids = append(pids, e.GetPID())
	}
	return fmt.Sprint(pids, at)
}

func TestAFollowerReadsRecordsInTheOrderInWhichTheyCame(t *testing.T) {
	s := bpf.NewInMemoryStorage(bpf.WithRecords(3))
	if got := follow(s, 0, 10); got != "[] {0 0 false}" {
		t.Errorf("an empty storage: %s", got)
	}
	keep := func(pid uint32, kind string, age time.Duration) {
		at := time.Now().Add(-age)
		if err := s.Store(&numberedEvent{bpf.BaseEvent{PID: pid, Timestamp: uint64(at.UnixNano())}, kind}); err != nil {
			t.Fatal(err)
		}
	}
	keep(1, "a", time.Second)
	keep(2, "b", time.Minute) // older, and came later
	keep(3, "a", 0)
	for _, test := range []struct {
		after uint64
		limit int
		want  string
	}{
		{0, 10, "[1 2 3] {3 0 false}"},
		{0, 2, "[1 2] {2 0 true}"},
		{2, 2, "[3] {3 0 false}"},
		{3, 2, "[] {3 0 false}"},
		{99, 10, "[1 2 3] {3 0 false}"},
	} {
		if got := follow(s, test.after, test.limit); got != test.want {
			t.Errorf("after %d, at most %d: %s, want %s", test.after, test.limit, got, test.want)
		}
	}
	keep(4, "a", 0)
	keep(5, "a", 0)
	keep(6, "a", 0) // 1 and 3 have left
	if got, want := follow(s, 0, 10), "[2 4 5 6] {6 2 false}"; got != want {
		t.Errorf("after records had left: %s, want %s", got, want)
	}
	if s.Newest() != 6 {
		t.Errorf("the newest is %d", s.Newest())
	}
}
