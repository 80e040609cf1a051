package connection

import (
	"encoding/json"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
)

var (
	localV4 = netip.MustParseAddrPort("192.0.2.1:40000")
	peerV4  = netip.MustParseAddrPort("198.51.100.2:443")
	localV6 = netip.MustParseAddrPort("[2001:db8::1]:40000")
	peerV6  = netip.MustParseAddrPort("[2001:db8::2]:443")
)

// event is what became of a connection of curl between the IPv4 ends, in 1.5 ms.
func event(role Role, outcome Outcome, errno syscall.Errno) *Event {
	return &Event{BaseEvent: base, Role: role, Outcome: outcome, Errno: errno, Duration: 1500 * time.Microsecond,
		Local: localV4, Peer: peerV4}
}

// with changes an event.
func with(e *Event, change func(*Event)) *Event {
	change(e)
	return e
}

func overIPv6(e *Event) { e.Local, e.Peer = localV6, peerV6 }

func ofNobody(e *Event) {
	e.BaseEvent = bpf.BaseEvent{Timestamp: base.Timestamp, WallOffset: base.WallOffset}
}

func ofTheKernel(e *Event) { ofNobody(e); e.Command = "kernel" }

func untimed(e *Event) { e.Duration = 0 }

func TestAttemptsOfClientsAreListed(t *testing.T) {
	for _, test := range []struct {
		role    Role
		outcome Outcome
		want    bool
	}{
		{RoleClient, OutcomeOpened, true}, {RoleClient, OutcomeFailed, true}, {RoleClient, OutcomeClosed, false},
		{RoleServer, OutcomeOpened, false}, {RoleServer, OutcomeFailed, false}, {RoleServer, OutcomeClosed, false},
		{RoleUnknown, OutcomeClosed, false},
	} {
		e := event(test.role, test.outcome, 0)
		if _, listed := e.ConnectionInfo(); listed != test.want {
			t.Errorf("%s %s: listed %v", test.role, test.outcome, listed)
		}
		if e.GetEventType() != "connection" || e.Tally() != 0 {
			t.Errorf("type %q, tally %d: a record is a sample", e.GetEventType(), e.Tally())
		}
	}
}

func TestTheConfigurationChoosesWhatIsExported(t *testing.T) {
	var d decoder
	d.follow(Config{Records: []string{OutcomeFailed.String()}})
	for outcome, want := range map[Outcome]bpf.Detail{
		OutcomeOpened: bpf.Kept, OutcomeFailed: bpf.Exported, OutcomeClosed: bpf.Kept,
	} {
		wire := wireOf("192.0.2.1", "192.0.2.2")
		wire.Outcome = uint8(outcome)
		if got := decode(t, &d, wire).Detail(); got != want {
			t.Errorf("%s: detail %d, want %d", outcome, got, want)
		}
	}
}

func TestAConnectionIsListedInTheContractsForm(t *testing.T) {
	for _, test := range []struct {
		name        string
		event       *Event
		destination string
		code        int32
	}{
		{"opened", event(RoleClient, OutcomeOpened, 0), "198.51.100.2:443", 0},
		{"refused", event(RoleClient, OutcomeFailed, syscall.ECONNREFUSED), "198.51.100.2:443", 111},
		{"given up", event(RoleClient, OutcomeFailed, 0), "198.51.100.2:443", 125},
		{"IPv6", with(event(RoleClient, OutcomeOpened, 0), overIPv6), "[2001:db8::2]:443", 0},
	} {
		want := bpf.ConnectionInfo{PID: 1234, Command: "curl", Destination: test.destination, Protocol: "TCP",
			ReturnCode: test.code, Timestamp: base.GetWallClockTime()}
		if got, listed := test.event.ConnectionInfo(); got != want || !listed {
			t.Errorf("%s: %+v, %v, want %+v", test.name, got, listed, want)
		}
	}
}

func TestAnEventsJSONIsTheContracts(t *testing.T) {
	for _, test := range []struct {
		event *Event
		want  bpf.ConnectionJSON
	}{
		{event(RoleClient, OutcomeFailed, syscall.ECONNREFUSED), bpf.ConnectionJSON{
			PID: 1234, ReturnCode: 111, Command: "curl", DestinationIP: "198.51.100.2", DestinationPort: 443,
			Destination: "198.51.100.2:443", AddressFamily: syscall.AF_INET}},
		{with(event(RoleClient, OutcomeFailed, 0), overIPv6), bpf.ConnectionJSON{
			PID: 1234, ReturnCode: 125, Command: "curl", DestinationIP: "2001:db8::2", DestinationPort: 443,
			Destination: "[2001:db8::2]:443", AddressFamily: syscall.AF_INET6}},
		{with(event(RoleServer, OutcomeClosed, 0), ofNobody), bpf.ConnectionJSON{
			DestinationIP: "198.51.100.2", DestinationPort: 443, Destination: "198.51.100.2:443",
			AddressFamily: syscall.AF_INET}},
	} {
		text, err := json.Marshal(test.event)
		if err != nil {
			t.Fatal(err)
		}
		var got bpf.ConnectionJSON
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		want := test.want
		want.TimestampNS, want.WallTime, want.Note = 7, base.GetWallClockTime(), bpf.TimestampNote
		want.Protocol, want.SocketType = "TCP", "STREAM"
		if got != want {
			t.Errorf("%s\nis %+v\nwant %+v", text, got, want)
		}
	}
}

func TestNamesOfUnknownNumbersStayInTheirTable(t *testing.T) {
	if Outcome(0).String() != "unknown" {
		t.Errorf("outcome 0 is %q", Outcome(0))
	}
	for _, number := range []uint8{4, 255} {
		_, _ = Outcome(number).String(), Role(number).String() // no number is out of range
	}
}
