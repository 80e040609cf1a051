package bpf_test

import (
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

func TestInMemoryStorageKeepsTheContract(t *testing.T) {
	bpftest.TestStorage(t, func(*testing.T) bpf.EventStorage { return bpf.NewInMemoryStorage() })
}

// noon is the present of storages whose clock a test holds.
var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// eventAt returns an event of one occurrence.
func eventAt(at time.Time, kind string) *fakeEvent {
	return &fakeEvent{bpf.BaseEvent{PID: 1, Command: "curl", Timestamp: uint64(at.UnixNano())}, kind}
}

// storeAt stores an event of type a for each moment and returns the events.
func storeAt(t testing.TB, storage bpf.EventStorage, moments ...time.Time) []bpf.BPFEvent {
	t.Helper()
	var events []bpf.BPFEvent
	for _, at := range moments {
		events = append(events, eventAt(at, "a"))
		if err := storage.Store(events[len(events)-1]); err != nil {
			t.Fatal(err)
		}
	}
	return events
}

func kept(t testing.TB, storage bpf.EventStorage, kind string) []bpf.BPFEvent {
	t.Helper()
	events, err := storage.GetByType(kind, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func seconds(moments ...int) []time.Time {
	var times []time.Time
	for _, s := range moments {
		times = append(times, noon.Add(time.Duration(s)*time.Second))
	}
	return times
}
