package connection

import (
	"testing"
	"unsafe"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// FuzzRow makes tallies of any row of the ledger: each measures what it counts, or is refused.
func FuzzRow(f *testing.F) {
	f.Add(make([]byte, int(unsafe.Sizeof(connectionConnectionRow{}))), uint64(1), uint32(0))
	f.Add([]byte{1, 2, 3}, uint64(0), uint32(7))
	f.Fuzz(func(t *testing.T, key []byte, n uint64, kind uint32) {
		event, err := row(bpf.RowTally{N: n, Sum: n, Distribution: &telemetry.Distribution{Count: 1}}, key)
		if err != nil {
			if event != nil {
				t.Errorf("both a tally and %v", err)
			}
			return
		}
		for _, m := range event.(*Tally).Measurements(nil) {
			if m.Metric == nil || m.Value < 0 && m.Metric != &telemetry.TCPActive {
				t.Errorf("measured %+v", m)
			}
		}
		if _, err := row(bpf.RowTally{N: n}, kindRow(kind)); err != nil {
			t.Errorf("the row of kind %d: %v", kind, err)
		}
	})
}
