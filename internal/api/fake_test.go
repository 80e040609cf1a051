package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// noon is when everything in these tests happened.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fakeEntry knows summaries by the exact question, "pid command seconds"; any other question sums to -1.
type fakeEntry struct {
	attempts, drops map[string]int
	connections     map[uint32][]bpf.ConnectionInfo
	packetDrops     map[uint32][]bpf.PacketDropInfo
}

var _ Entry = fakeEntry{}

func (f fakeEntry) GetConnectionSummary(pid uint32, command string, durationSeconds int) int {
	return lookUp(f.attempts, pid, command, durationSeconds)
}

func (f fakeEntry) GetPacketDropSummary(pid uint32, command string, durationSeconds int) int {
	return lookUp(f.drops, pid, command, durationSeconds)
}

func lookUp(totals map[string]int, pid uint32, command string, seconds int) int {
	if total, ok := totals[fmt.Sprintf("%d %q %d", pid, command, seconds)]; ok {
		return total
	}
	return -1
}

func (f fakeEntry) GetAllConnections() map[uint32][]bpf.ConnectionInfo { return f.connections }
func (f fakeEntry) GetAllPacketDrops() map[uint32][]bpf.PacketDropInfo { return f.packetDrops }

func connectionTo(pid uint32, command, destination string, code int32) bpf.ConnectionInfo {
	return bpf.ConnectionInfo{PID: pid, Command: command, Destination: destination, Protocol: "TCP",
		ReturnCode: code, Timestamp: noon}
}

func packetDrop(pid uint32, command, reason string, length uint32) bpf.PacketDropInfo {
	return bpf.PacketDropInfo{PID: pid, Command: command, DropReason: reason, SkbLength: length, Timestamp: noon}
}

// event is one that says no more than the contract asks.
type event struct {
	bpf.BaseEvent
	eventType string
}

func (e *event) GetEventType() string { return e.eventType }

// describedEvent says of itself all that a log record needs.
type describedEvent struct{ event }

var _ bpf.Described = (*describedEvent)(nil)

func (*describedEvent) EventName() string            { return "kerntap.tcp.connection.failed" }
func (*describedEvent) Severity() telemetry.Severity { return telemetry.Warn }
func (*describedEvent) Body() string                 { return "curl could not connect" }

func (e *describedEvent) Attributes(dst []telemetry.Attribute) []telemetry.Attribute {
	return append(e.OwnerAttributes(dst), telemetry.Int(telemetry.Errno, 111), telemetry.Float(telemetry.Duration, 0.5))
}

// newEvent happened so many seconds after noon.
func newEvent(eventType string, pid uint32, command string, second int) event {
	return event{bpf.BaseEvent{PID: pid, Command: command, WallOffset: noon.UnixNano(),
		Timestamp: uint64(second) * uint64(time.Second)}, eventType}
}

// fakeEvents keeps events, oldest first. Like any storage it narrows by one property only.
type fakeEvents struct {
	kept     []bpf.BPFEvent
	coverage map[string]bpf.Coverage
	broken   bool
}

var _ Events = fakeEvents{}

func (f fakeEvents) GetByPID(pid uint32, since time.Time) ([]bpf.BPFEvent, error) {
	return f.filter(since, func(e bpf.BPFEvent) bool { return e.GetPID() == pid })
}

func (f fakeEvents) GetByCommand(command string, since time.Time) ([]bpf.BPFEvent, error) {
	return f.filter(since, func(e bpf.BPFEvent) bool {
		return strings.Contains(strings.ToLower(e.GetCommand()), strings.ToLower(command))
	})
}

func (f fakeEvents) GetByType(eventType string, since time.Time) ([]bpf.BPFEvent, error) {
	return f.filter(since, func(e bpf.BPFEvent) bool { return e.GetEventType() == eventType })
}

func (f fakeEvents) filter(since time.Time, match func(bpf.BPFEvent) bool) (found []bpf.BPFEvent, err error) {
	if f.broken {
		return nil, errors.New("disk on fire")
	}
	for _, e := range f.kept {
		if !e.GetWallClockTime().Before(since) && match(e) {
			found = append(found, e)
		}
	}
	return found, nil
}

// Follow numbers events by their place, from 1 on; one had left before the first.
func (f fakeEvents) Follow(after uint64, limit int) ([]bpf.BPFEvent, bpf.Position) {
	rest := f.kept[min(after, uint64(len(f.kept))):]
	found := rest[:min(limit, len(rest))]
	at := bpf.Position{Next: after + uint64(len(found)), More: len(found) < len(rest)}
	if after == 0 {
		at.Missed = 1
	}
	return found, at
}

func (f fakeEvents) Newest() uint64 { return uint64(len(f.kept)) }

func (f fakeEvents) Coverage(eventType string) bpf.Coverage { return f.coverage[eventType] }

// fakeOptions describe a kerntap in good health that has seen little.
func fakeOptions() Options {
	first, last := newEvent("connection", 42, "curl", 1), newEvent("connection", 7, "sshd", 3)
	drop := newEvent("packet_drop", 0, "", 2)
	return Options{
		Entry: fakeEntry{
			attempts: map[string]int{`42 "" 60`: 7, `0 "curl" 1`: 3, `0 "nginx" 3600`: 0, `4294967295 "" 5`: 1},
			drops:    map[string]int{`42 "" 60`: 9, `0 "curl" 60`: 4},
			connections: map[uint32][]bpf.ConnectionInfo{
				42: {connectionTo(42, "curl", "192.0.2.1:80", 0), connectionTo(42, "curl", "192.0.2.2:80", 111),
					connectionTo(42, "curl", "192.0.2.3:80", 0)},
				7: {connectionTo(7, "sshd", "[2001:db8::1]:22", 0)},
			},
			packetDrops: map[uint32][]bpf.PacketDropInfo{
				0: {packetDrop(0, "", "NO_SOCKET", 60), packetDrop(0, "", "NETFILTER_DROP", 1500)},
				7: {packetDrop(7, "sshd", "TCP_CSUM", 40)},
			},
		},
		Events: fakeEvents{
			kept: []bpf.BPFEvent{&describedEvent{first}, &drop, &last},
			coverage: map[string]bpf.Coverage{
				"":            {Since: noon.Add(2 * time.Second), Evicted: 5},
				"connection":  {Since: noon},
				"packet_drop": {Since: noon.Add(2 * time.Second), Evicted: 5},
			},
		},
		Programs: func() []bpf.Status { return []bpf.Status{runningProgram("connection"), runningProgram("packet_drop")} },
		Exporter: func() ExporterStatus { return ExporterStatus{Name: "console", Healthy: true, Emitted: 3, Exported: 3} },
		Metrics:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("up 1\n")) }),
		Version:  "v0.1.0",
	}
}

func runningProgram(name string) bpf.Status {
	return bpf.Status{
		Name: name, Description: "watches " + name, State: bpf.Running, MapBytes: 4096,
		Hooks: []bpf.Hook{{Program: name + "_hook", Name: "tp_btf/" + name, Attached: true}},
		Stats: bpf.Stats{Seen: 59, Recorded: 21, Throttled: 11, Counted: 12, Lost: 5, Filtered: 4, Missed: 6, Tallied: 49,
			TalliesLost: 13, Unattributed: 14, Overflowed: 15, Spilled: 17, Unowned: 18, LedgerRows: 16, Undecodable: 7, Dropped: 8, Delivered: 6},
	}
}

func failedProgram(name, reason string) bpf.Status {
	return bpf.Status{Name: name, State: bpf.Failed, Reason: reason}
}
