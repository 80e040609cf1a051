package tcp_trouble

import (
	"net/netip"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/kernel"
	"github.com/kerntap/kerntap/internal/telemetry"
)

func TestSamplesHaveTheSameLayoutInCAndGo(t *testing.T) {
	spec, err := loadTcpTrouble()
	if err != nil {
		t.Fatal(err)
	}
	bpftest.SameLayout(t, spec.Maps[tcpTroubleMapEvents].Value, reflect.TypeFor[tcpTroubleTcpTroubleEvent]())
	bpftest.SameLayout(t, spec.Maps[tcpTroubleMapRows0].Key, reflect.TypeFor[tcpTroubleTcpTroubleRow]())
	for name, program := range spec.Programs {
		if !strings.HasPrefix(program.SectionName, "tp_btf/tcp_") {
			t.Errorf("%s is at %s", name, program.SectionName)
		}
	}
}

func bytesOf[T any](wire T) []byte {
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&wire)), unsafe.Sizeof(wire))...)
}

func TestEventsDescribeThemselves(t *testing.T) {
	local, peer := netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("198.51.100.2:443")
	base := bpf.BaseEvent{PID: 7, Command: "curl"}
	for _, test := range []struct {
		event      Event
		name, body string
		attributes string
	}{
		{Event{BaseEvent: base, Kind: Retransmit, Segments: 2, Local: local, Peer: peer}, "kerntap.tcp.retransmitted",
			"curl[7] sent again, 192.0.2.1:40000 → 198.51.100.2:443, 2 segments",
			"network.transport network.type network.local.address network.local.port network.peer.address " +
				"network.peer.port kerntap.command process.pid"},
		{Event{Kind: ResetSent, Reason: "NO_SOCKET", Local: local, Peer: peer}, "kerntap.tcp.reset",
			"sent a reset, 192.0.2.1:40000 → 198.51.100.2:443: NO_SOCKET",
			"network.transport network.io.direction kerntap.tcp.reset.reason network.type network.local.address " +
				"network.local.port network.peer.address network.peer.port"},
		{Event{BaseEvent: base, Kind: ResetReceived}, "kerntap.tcp.reset", "curl[7] got a reset",
			"network.transport network.io.direction kerntap.command process.pid"},
	} {
		var keys []string
		for _, attribute := range test.event.Attributes(nil) {
			keys = append(keys, attribute.Key)
		}
		if e := &test.event; e.EventName() != test.name || e.Body() != test.body || strings.Join(keys, " ") != test.attributes {
			t.Errorf("%s: %q, %s", e.EventName(), e.Body(), strings.Join(keys, " "))
		}
		if e := &test.event; e.Severity() != telemetry.Info || e.Tally() != 0 || e.Detail() != bpf.Exported || e.GetEventType() != Name {
			t.Errorf("%+v", e)
		}
	}
}

func TestTalliesAreMeasuredInSegmentsAndResets(t *testing.T) {
	d := decoder{reasons: new(atomic.Pointer[kernel.Enum])}
	for _, test := range []struct {
		row    tcpTroubleTcpTroubleRow
		metric string
		value  float64
		reason string
	}{
		{tcpTroubleTcpTroubleRow{Kind: uint8(Retransmit), Reason: 4}, "kerntap.tcp.retransmits", 9, ""},
		{tcpTroubleTcpTroubleRow{Kind: uint8(ResetSent), Reason: 4}, "kerntap.tcp.resets", 3, "4"},
		{tcpTroubleTcpTroubleRow{Kind: uint8(ResetReceived)}, "kerntap.tcp.resets", 3, ""},
	} {
		event, err := d.row(bpf.RowTally{N: 3, Sum: 9}, bytesOf(test.row))
		if err != nil {
			t.Fatal(err)
		}
		got := event.(*Tally).Measurements(nil)
		if len(got) != 1 || got[0].Metric.Name != test.metric || got[0].Value != test.value || event.(*Tally).Reason != test.reason {
			t.Errorf("%+v: %+v", test.row, got)
		}
		if string(kindRow(uint32(test.row.Kind)*maxReasons+test.row.Reason)) != string(bytesOf(test.row)) {
			t.Errorf("the overflow's kind of %+v is another row's", test.row)
		}
	}
}

func TestABadSampleIsRefused(t *testing.T) {
	d := decoder{reasons: new(atomic.Pointer[kernel.Enum])}
	if event, err := d.decode(bpf.BaseEvent{}, make([]byte, 8)); err == nil || event != nil {
		t.Errorf("%v, %v", event, err)
	}
	if event, err := d.row(bpf.RowTally{}, make([]byte, 8)); err == nil || event != nil {
		t.Errorf("%v, %v", event, err)
	}
}

// named are settings with kinds of records.
type named []string

func (n named) Decode(into any) error {
	into.(*Config).Records = n
	return nil
}

func TestAnUnknownKindIsRefusedByItsKey(t *testing.T) {
	if _, err := New(named{"reset_sent", "retransmit"}, bpf.NewInMemoryStorage()); err != nil {
		t.Error(err)
	}
	const want = `programs.tcp_trouble.records: "reset" is not one of retransmit, reset_sent, reset_received`
	if _, err := New(named{"reset"}, bpf.NewInMemoryStorage()); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if got := (Config{Records: []string{"reset_received"}}).recorded(); got != [4]uint8{2: 1} {
		t.Errorf("recorded %v", got)
	}
}
