package bpf

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// told is what a row becomes here.
type told struct {
	RowTally
	first byte // of its key
}

func (*told) GetEventType() string { return "told" }

// keyOf is the key of a row: whose it is, and a byte that tells kinds apart.
func keyOf(command string, kind byte) []byte {
	var who wireRowOwner
	copy(who.Command[:], command)
	return slices.Concat([]byte{kind}, unsafe.Slice((*byte)(unsafe.Pointer(&who)), unsafe.Sizeof(who)))
}

func processOf(command string, pid uint32, kind uint32) []byte {
	row := wireProcessRow{PID: pid, Kind: kind}
	copy(row.Command[:], command)
	return slices.Clone(unsafe.Slice((*byte)(unsafe.Pointer(&row)), unsafe.Sizeof(row)))
}

// waiting returns tallies whose program cannot read rows of kind 9 and does not count processes of kind 9.
func waiting() *pendingTallies {
	return newPendingTallies(&Spec{
		Name: "told",
		Row: func(tally RowTally, key []byte) (BPFEvent, error) {
			if key[0] == 9 {
				return nil, errors.New("unreadable")
			}
			return &told{tally, key[0]}, nil
		},
		Kind:      func(kind uint32) []byte { return keyOf("", byte(kind)) },
		SpillKind: func(kind uint32) []byte { return keyOf("", byte(kind)) },
		Counts:    func(kind uint32, _ uint64) bool { return kind != 9 },
	}, NewSession(nil))
}

// taker takes events while it has room.
type taker struct {
	room  int
	taken []BPFEvent
}

func (t *taker) take(event BPFEvent) bool {
	if len(t.taken) >= t.room {
		return false
	}
	t.taken = append(t.taken, event)
	return true
}

func TestWhatFindsNoRoomIsMergedAndGoesLater(t *testing.T) {
	p := waiting()
	p.turning()
	p.begin()
	began := p.from
	p.addRow(keyOf("curl", 1), []wireTally{{Count: 2, Sum: 20}, {Count: 1, Sum: 10}})
	p.addMeasures(keyOf("curl", 1), []wireMeasures{{
		First: wireDistribution{SumNs: 5e8, Slots: [distributionSlots]uint32{3: 2}}, Amounts: [amounts]uint64{4},
	}})
	p.addProcess(processOf("curl", 7, 0), []uint64{3})
	if left, unreadable, err := p.handOn((&taker{}).take); left != 3 || unreadable != 0 || err != nil {
		t.Errorf("%d left, %d unreadable, %v, want 3 left", left, unreadable, err)
	}
	p.turning()
	p.begin()
	p.addRow(keyOf("curl", 1), []wireTally{{Count: 4, Sum: 1}})
	p.addMeasures(keyOf("curl", 1), []wireMeasures{{
		First:   wireDistribution{SumNs: 5e8, Slots: [distributionSlots]uint32{0: 1, 3: 1, distributionSlots - 1: 1}},
		Second:  wireDistribution{SumNs: 1e9, Slots: [distributionSlots]uint32{2: 1}},
		Amounts: [amounts]uint64{1, amounts - 1: 2},
	}})
	p.addProcess(processOf("curl", 7, 0), []uint64{4})
	to := &taker{room: 10}
	if left, _, _ := p.handOn(to.take); left != 0 || len(to.taken) != 2 {
		t.Fatalf("%d left, taken %+v", left, to.taken)
	}
	row, process := to.taken[0].(*told), to.taken[1].(*ProcessTally)
	if process.Tally() != 7 || process.PID != 7 || process.Command != "curl" || !process.ProcessOnly() || process.GetEventType() != "told" {
		t.Errorf("process %+v", process)
	}
	if row.N != 7 || row.Sum != 31 || row.Command != "curl" || row.first != 1 || !row.Since().Equal(began) || row.GetWallClockTime() != p.until {
		t.Errorf("row %+v, since %s until %s", row, row.Since(), row.GetWallClockTime())
	}
	want := telemetry.Distribution{Count: 5, Sum: 1, Zero: 1}
	want.Buckets[2], want.Buckets[telemetry.BucketCount-1] = 3, 1
	if row.Distribution == nil || *row.Distribution != want {
		t.Errorf("distribution %+v", row.Distribution)
	}
	if row.Second == nil || row.Second.Count != 1 || row.Second.Sum != 1 || row.Amounts != [amounts]uint64{5, amounts - 1: 2} {
		t.Errorf("second distribution %+v, amounts %v", row.Second, row.Amounts)
	}
	if left, _, _ := p.handOn(to.take); left != 0 || len(to.taken) != 2 {
		t.Errorf("it was handed on twice: %+v", to.taken)
	}
	if p.tallied != 7 {
		t.Errorf("%d events were tallied, want 7", p.tallied)
	}
}

func TestWhatIsMeasuredMayBeCountedThere(t *testing.T) {
	p := waiting()
	for range 2 {
		p.turning()
		p.begin()
		p.addRow(keyOf("curl", 1), []wireTally{{Count: 2}, {Count: 1}})
		p.addMeasures(keyOf("curl", 1), []wireMeasures{{Count: 4}})
		p.addMeasures(keyOf("nc", 1), []wireMeasures{{Count: 5}})
		p.addMeasures(keyOf("ssh", 1), []wireMeasures{{Amounts: [amounts]uint64{9}}})
		if p.rowsLastTime != 2 {
			t.Errorf("%d rows have counted, want 2", p.rowsLastTime)
		}
	}
	to := &taker{room: 10}
	p.handOn(to.take)
	counts := make(map[string]uint64)
	for _, event := range to.taken {
		counts[event.GetCommand()] += event.(*told).N
	}
	if want := map[string]uint64{"curl": 14, "nc": 10, "ssh": 0}; !maps.Equal(counts, want) || p.tallied != 24 {
		t.Errorf("%v, %d in all, want %v, 24", counts, p.tallied, want)
	}
}

func TestTheOverflowIsToldByItsGrowth(t *testing.T) {
	p := waiting()
	p.turning()
	p.begin()
	p.addOverflow(3, &wireTally{Count: 5, Sum: 50}, &wireTally{Count: 7, Sum: 80})
	p.addOverflow(4, &wireTally{Count: 5}, &wireTally{Count: 5})
	before := &wireMeasures{Amounts: [amounts]uint64{7}}
	before.First = wireDistribution{SumNs: 1e9, Slots: [distributionSlots]uint32{1: math.MaxUint32}}
	now := &wireMeasures{Amounts: [amounts]uint64{9}}
	now.First = wireDistribution{SumNs: 3e9} // the count has wrapped around
	p.addSpill(3, before, now)
	p.addSpill(4, now, now)
	p.addLack(2, 1)
	to := &taker{room: 10}
	p.handOn(to.take)
	if len(to.taken) != 2 {
		t.Fatalf("taken %+v", to.taken)
	}
	if l := to.taken[0].(Lacking); l.Nameless() != 2 || l.Ownerless() != 1 {
		t.Errorf("lack %+v", l)
	}
	if row := to.taken[1].(*told); row.N != 2 || row.Sum != 30 || row.first != 3 || row.Command != "" ||
		row.Distribution.Count != 1 || row.Distribution.Sum != 2 || row.Amounts[0] != 2 || row.Second != nil {
		t.Errorf("row %+v, %+v", row, row.Distribution)
	}
}

func TestARowThatCannotBeReadIsLostAndNamed(t *testing.T) {
	p := waiting()
	p.turning()
	p.begin()
	p.addRow(keyOf("curl", 9), []wireTally{{Count: 4}})
	p.addProcess(processOf("curl", 7, 9), []uint64{4})
	to := &taker{room: 10}
	if left, unreadable, err := p.handOn(to.take); left != 0 || unreadable != 4 || err == nil || len(to.taken) != 0 {
		t.Errorf("%d left, %d unreadable, %v, taken %+v", left, unreadable, err, to.taken)
	}
}

// A clock that is stepped back does not make a stretch of time begin after its end.
func TestAStretchOfTimeBeginsBeforeItEnds(t *testing.T) {
	p := waiting()
	p.next = time.Now().Add(time.Hour)
	p.turning()
	p.begin()
	if p.from.After(p.until) {
		t.Errorf("from %s until %s", p.from, p.until)
	}
}

// Whoever does not read for long finds what waits bounded: too many rows wait as that of nobody, too many processes as
// what is told of none.
func TestWhatWaitsIsBounded(t *testing.T) {
	p := waiting()
	p.turning()
	p.begin()
	const more = 10
	for i := range maxPending + more {
		p.addRow(keyOf(strconv.Itoa(i), 1), []wireTally{{Count: 1}})
		p.addProcess(processOf("curl", uint32(i+1), 0), []uint64{1})
	}
	if len(p.rows) != maxPending+1 || len(p.processes) != maxPending || p.tallied != maxPending+more {
		t.Errorf("%d rows and %d processes wait for %d events", len(p.rows), len(p.processes), p.tallied)
	}
	if nobody := p.rows[string(keyOf("", 1))]; nobody == nil || nobody.count != more || p.lacking.ownerless != more {
		t.Errorf("nobody has %+v, %d are of no process", nobody, p.lacking.ownerless)
	}
}

// What only tells of others is no record.
func TestALackIsNotKept(t *testing.T) {
	storage := NewInMemoryStorage()
	if err := storage.Store(&lack{part: part{BaseEvent: BaseEvent{Timestamp: uint64(time.Now().UnixNano())}}, eventType: "told", nameless: 3, ownerless: 4}); err != nil {
		t.Fatal(err)
	}
	if kept, _ := storage.GetByType("told", time.Time{}); len(kept) != 0 || storage.Count(0, "", "", time.Time{}) != 0 {
		t.Errorf("kept %+v, counted %d", kept, storage.Count(0, "", "", time.Time{}))
	}
	for pid, want := range map[uint32]uint64{0: 3, 7: 4} {
		if a := storage.Accuracy(pid, "told", time.Now().Add(-time.Minute)); a.Unattributed != want {
			t.Errorf("pid %d: %d unattributed, want %d", pid, a.Unattributed, want)
		}
	}
}
