package bpf

import "testing"

// The kernel's lookup in the two tables, as distribution.h has it, against counting the bounds.
func TestTheTablesOfADistributionAgree(t *testing.T) {
	bounds, below := distributionBounds(), distributionBelow()
	slot := func(value uint64) (n uint64) {
		smeared := value
		for shift := 1; shift < 64; shift *= 2 {
			smeared |= smeared >> shift
		}
		first := uint64(below[smeared*0x03f79d71b4cb0a89>>58])
		n = first
		for i := range uint64(4) {
			n += (bounds[(first+i)%wireBounds] - value) >> 63
		}
		return n
	}
	counted := func(value uint64) (n uint64) {
		for _, bound := range bounds {
			if bound < value {
				n++
			}
		}
		return n
	}
	values := []uint64{0, 1, 2, 3, 1<<63 - 1}
	for length := range 63 {
		values = append(values, 1<<length, 1<<length+1, 1<<length-1)
	}
	for _, bound := range bounds[:distributionSlots-1] {
		values = append(values, bound-1, bound, bound+1)
	}
	for _, value := range values {
		if got, want := slot(value), counted(value); got != want {
			t.Errorf("%d ns are in slot %d, want %d", value, got, want)
		}
	}
}
