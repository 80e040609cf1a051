package tcp_trouble

import (
	"encoding/json"
	"sync/atomic"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/kernel"
)

// FuzzDecode makes events of any sample: each describes itself, or is refused.
func FuzzDecode(f *testing.F) {
	for kind := range uint8(4) {
		wire := tcpTroubleTcpTroubleEvent{Kind: kind, Reason: 4, Segments: 2}
		f.Add(bytesOf(wire))
		wire.Known, wire.Reason = 1, ^uint32(0)
		f.Add(bytesOf(wire))
	}
	f.Add([]byte{})
	d := decoder{reasons: new(atomic.Pointer[kernel.Enum])}
	f.Fuzz(func(t *testing.T, sample []byte) {
		event, err := d.decode(bpf.BaseEvent{PID: 7, Command: "curl"}, sample)
		if err != nil {
			if event != nil {
				t.Errorf("both an event and %v", err)
			}
			return
		}
		e := event.(*Event)
		if e.Body() == "" || e.EventName() == "" || len(e.Attributes(nil)) == 0 {
			t.Errorf("%+v does not describe itself", *e)
		}
		if _, err := json.Marshal(e); err != nil {
			t.Error(err)
		}
	})
}

// FuzzRow makes tallies of any row of the ledger: each measures what it counts, or is refused.
func FuzzRow(f *testing.F) {
	for kind := range uint8(4) {
		f.Add(bytesOf(tcpTroubleTcpTroubleRow{Kind: kind, Reason: 4}), uint64(1), uint64(2), uint32(kind))
	}
	f.Add([]byte{1, 2, 3}, uint64(0), uint64(0), ^uint32(0))
	d := decoder{reasons: new(atomic.Pointer[kernel.Enum])}
	f.Fuzz(func(t *testing.T, key []byte, n, sum uint64, kind uint32) {
		event, err := d.row(bpf.RowTally{N: n, Sum: sum}, key)
		if err != nil {
			if event != nil {
				t.Errorf("both a tally and %v", err)
			}
			return
		}
		for _, m := range event.(*Tally).Measurements(nil) {
			if m.Metric == nil || m.Value != float64(n) && m.Value != float64(sum) {
				t.Errorf("measured %+v of %d events and %d segments", m, n, sum)
			}
		}
		if _, err := d.row(bpf.RowTally{N: n}, kindRow(kind)); err != nil {
			t.Errorf("the row of kind %d: %v", kind, err)
		}
	})
}
