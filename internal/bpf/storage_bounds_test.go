package bpf_test

import (
	"slices"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
)

func atNoon() time.Time { return noon }

func TestTheOldestRecordMakesRoomAndCoverageTells(t *testing.T) {
	storage := bpf.NewInMemoryStorage(bpf.WithRecords(3), bpf.WithNow(atNoon))
	if covers := storage.Coverage("a"); covers != (bpf.Coverage{Since: noon.Add(-time.Hour)}) {
		t.Errorf("an empty storage covers %+v", covers)
	}
	moments := seconds(-50, -40, -30, -20, -10)
	events := storeAt(t, storage, moments...)
	if got := kept(t, storage, "a"); !slices.Equal(got, events[2:]) {
		t.Errorf("kept %v, want the last three", got)
	}
	want := bpf.Coverage{Since: moments[1].Add(time.Nanosecond), Evicted: 2}
	if covers := storage.Coverage("a"); covers != want {
		t.Errorf("covers %+v, want %+v", covers, want)
	}
	if n := storage.Count(1, "curl", "a", moments[0]); n != 5 {
		t.Errorf("count %d, want all 5: tallies stay exact when records have left", n)
	}
}

func TestRecordsOfOneMomentStayInTheirOrder(t *testing.T) {
	storage := bpf.NewInMemoryStorage(bpf.WithRecords(3), bpf.WithNow(atNoon))
	events := storeAt(t, storage, noon, noon, noon, noon, noon)
	if got := kept(t, storage, "a"); !slices.Equal(got, events[2:]) {
		t.Errorf("kept %v, want %v", got, events[2:])
	}
}

func TestEveryTypeHasRoomOfItsOwn(t *testing.T) {
	storage := bpf.NewInMemoryStorage(bpf.WithRecords(2), bpf.WithNow(atNoon))
	rare := eventAt(noon.Add(-time.Minute), "rare")
	if err := storage.Store(rare); err != nil {
		t.Fatal(err)
	}
	storeAt(t, storage, seconds(-5, -4, -3, -2, -1)...)
	if got := kept(t, storage, "rare"); !slices.Equal(got, []bpf.BPFEvent{rare}) {
		t.Errorf("a storm of another type left %v of the rare one", got)
	}
	if covers := storage.Coverage("rare"); covers.Evicted != 0 || !covers.Since.Equal(noon.Add(-time.Hour)) {
		t.Errorf("the rare type covers %+v", covers)
	}
	want := bpf.Coverage{Since: noon.Add(-3*time.Second + 1), Evicted: 3}
	if covers := storage.Coverage(""); covers != want {
		t.Errorf("all types cover %+v, want %+v: the least complete of all", covers, want)
	}
}

func TestRoomForOneRecordIsTheLeast(t *testing.T) {
	storage := bpf.NewInMemoryStorage(bpf.WithRecords(-1), bpf.WithNow(atNoon))
	events := storeAt(t, storage, seconds(-2, -1)...)
	if got := kept(t, storage, "a"); !slices.Equal(got, events[1:]) {
		t.Errorf("kept %v, want the last one", got)
	}
}

func TestRecordsLeaveWithTheirRetentionAndTalliesStay(t *testing.T) {
	now := noon
	storage := bpf.NewInMemoryStorage(bpf.WithRetention(time.Minute), bpf.WithNow(func() time.Time { return now }))
	events := storeAt(t, storage, seconds(0, 30)...)
	for _, test := range []struct {
		after time.Duration
		want  []bpf.BPFEvent
	}{
		{time.Minute, events},
		{time.Minute + 1, events[1:]},
		{90 * time.Second, events[1:]},
		{90*time.Second + 1, nil},
	} {
		now = noon.Add(test.after)
		if got := kept(t, storage, "a"); !slices.Equal(got, test.want) {
			t.Errorf("after %v: kept %v, want %v", test.after, got, test.want)
		}
		if n := storage.Count(0, "", "a", noon); n != 2 {
			t.Errorf("after %v: count %d, want 2", test.after, n)
		}
		if covers := storage.Coverage("a"); covers != (bpf.Coverage{Since: now.Add(-time.Minute)}) {
			t.Errorf("after %v: covers %+v", test.after, covers)
		}
	}
}

func TestARecordWhoseRetentionHadEndedIsNotEvicted(t *testing.T) {
	now := noon
	storage := bpf.NewInMemoryStorage(bpf.WithRecords(1), bpf.WithRetention(time.Minute),
		bpf.WithNow(func() time.Time { return now }))
	storeAt(t, storage, noon)
	now = noon.Add(2 * time.Minute)
	storeAt(t, storage, now)
	if covers := storage.Coverage("a"); covers != (bpf.Coverage{Since: now.Add(-time.Minute)}) {
		t.Errorf("covers %+v, want the whole retention and nothing evicted", covers)
	}
}

func TestEvictionIsForgottenOnceItsRetentionHasEnded(t *testing.T) {
	now := noon
	storage := bpf.NewInMemoryStorage(bpf.WithRecords(1), bpf.WithRetention(time.Minute),
		bpf.WithNow(func() time.Time { return now }))
	storeAt(t, storage, seconds(0, 1)...)
	now = noon.Add(time.Hour)
	want := bpf.Coverage{Since: now.Add(-time.Minute), Evicted: 1}
	if covers := storage.Coverage("a"); covers != want {
		t.Errorf("covers %+v, want %+v", covers, want)
	}
}
