package bpf

import (
	"math"
	"slices"
	"unsafe"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// wireOutcomes is struct outcomes of bpf/include/ledger.h.
type wireOutcomes struct {
	Recorded, Throttled, Counted, Lost, Filtered, Unattributed, Overflowed, Spilled, Unowned uint64
}

// tallied is how many events were counted in rows: all but those that were filtered.
func (w wireOutcomes) tallied() uint64 { return w.Recorded + w.Throttled + w.Counted + w.Lost }

// wireTally is struct tally of bpf/include/ledger.h.
type wireTally struct{ Count, Sum uint64 }

// wireRunHead is struct run_head of bpf/include/run.h.
type wireRunHead struct {
	Tally              wireTally
	Throttled, Counted uint64
	Slot, Busy         uint32
}

// wireCachedHead is struct cached_head of bpf/include/row_cache.h.
type wireCachedHead struct {
	Run     wireRunHead
	Charged uint64
	PID     uint32
	_       uint32
}

// wireRowOwner is struct row_owner of bpf/include/ledger.h, which ends the key of every row.
type wireRowOwner struct {
	Command    [16]byte
	CgroupID   uint64
	Executable [32]byte
}

// wireOwnerTail is how many bytes keys have no room for where rows tell neither cgroups nor executables apart.
const wireOwnerTail = uint32(unsafe.Sizeof(wireRowOwner{}) - unsafe.Offsetof(wireRowOwner{}.CgroupID))

// wireProcessRow is struct process_row of bpf/include/ledger.h.
type wireProcessRow struct {
	Place   uint64
	Kind    uint32
	PID     uint32
	Command [16]byte
}

// wireAllowance is struct allowance of bpf/include/throttle.h.
type wireAllowance struct {
	Records, Firsts uint32
	Rows            [4096]uint32
}

// The slots of a distribution: up to the first bound, the buckets between the bounds, above the last one.
const distributionSlots = telemetry.BucketCount + 2

// wireDistribution is struct distribution of bpf/include/distribution.h.
type wireDistribution struct {
	SumNs uint64
	Slots [distributionSlots]uint32
}

// wireMeasures is struct measures of bpf/include/distribution.h.
type wireMeasures struct {
	Count         uint64 // of events that no row counts
	Amounts       [amounts]uint64
	First, Second wireDistribution
}

func (w *wireMeasures) durations() [2]*wireDistribution {
	return [2]*wireDistribution{&w.First, &w.Second}
}

// since returns what was added to measures that only grow; their counts may have wrapped around.
func (w *wireMeasures) since(before *wireMeasures) (more wireMeasures, any bool) {
	for i, d := range more.durations() {
		now, then := w.durations()[i], before.durations()[i]
		d.SumNs = now.SumNs - then.SumNs
		for slot := range now.Slots {
			d.Slots[slot] = now.Slots[slot] - then.Slots[slot]
			any = any || d.Slots[slot] > 0
		}
	}
	for i := range w.Amounts {
		more.Amounts[i] = w.Amounts[i] - before.Amounts[i]
		any = any || more.Amounts[i] > 0
	}
	return more, any
}

// empty tells whether nothing was measured.
func (w *wireDistribution) empty() bool { return w.Slots == [distributionSlots]uint32{} }

// addTo adds the distribution, of durations, to one in seconds.
func (w *wireDistribution) addTo(d *telemetry.Distribution) {
	d.Sum += float64(w.SumNs) / 1e9
	for slot, n := range w.Slots {
		d.Count += uint64(n)
		switch {
		case slot == 0:
			d.Zero += uint64(n)
		default: // what lies above the last bound counts in the last bucket
			d.Buckets[min(slot-1, telemetry.BucketCount-1)] += uint64(n)
		}
	}
}

// wireBounds is the size of the table distribution_bounds.
const wireBounds = 256

// distributionBounds are the bounds of a distribution's buckets in nanoseconds, rounded down: a whole number of
// nanoseconds is above a bound exactly if it is above what is left of it. The table is filled up with what no duration
// exceeds, and a duration can be taken from without a carry.
func distributionBounds() (bounds [wireBounds]uint64) {
	bounds[0] = nanoseconds(telemetry.ZeroThreshold())
	for i := 1; i < len(bounds); i++ {
		bounds[i] = math.MaxInt64
		if i <= telemetry.BucketCount {
			bounds[i] = nanoseconds(telemetry.UpperBound(i - 1))
		}
	}
	return bounds
}

// distributionBelow is how many bounds lie below each power of two, at the place that distribution_octave of
// bpf/include/distribution.h gives to the numbers of that length.
func distributionBelow() (below [64]uint8) {
	bounds := distributionBounds()
	for length := range len(below) {
		power := uint64(1) << length
		first, _ := slices.BinarySearch(bounds[:], power)
		below[(2*power-1)*0x03f79d71b4cb0a89>>58] = uint8(min(first, distributionSlots))
	}
	return below
}

func nanoseconds(seconds float64) uint64 { return uint64(seconds * 1e9) }
