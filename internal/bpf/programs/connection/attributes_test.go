package connection

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// texts shows attributes as key=value.
func texts(attributes []telemetry.Attribute) []string {
	var all []string
	for _, a := range attributes {
		switch {
		case a.IsInt():
			all = append(all, fmt.Sprintf("%s=%d", a.Key, a.Number()))
		case a.IsFloat():
			all = append(all, fmt.Sprintf("%s=%g", a.Key, a.Real()))
		default:
			all = append(all, fmt.Sprintf("%s=%q", a.Key, a.Text()))
		}
	}
	return all
}

var endsV4 = []string{
	`network.transport="tcp"`, `network.type="ipv4"`, `network.local.address="192.0.2.1"`, "network.local.port=40000",
	`network.peer.address="198.51.100.2"`, "network.peer.port=443",
}

var endsV6 = []string{
	`network.transport="tcp"`, `network.type="ipv6"`, `network.local.address="2001:db8::1"`, "network.local.port=40000",
	`network.peer.address="2001:db8::2"`, "network.peer.port=443",
}

var ofCurl = []string{`kerntap.command="curl"`, "process.pid=1234", "process.vpid=1", `process.executable.name="curl"`}

func carrying(e *Event) {
	e.Traffic = Traffic{Sent: 5, Received: 7, SegmentsSent: 4, SegmentsReceived: 3, Retransmitted: 1, RoundTrip: 2e6}
	e.Ending = EndingFIN | endingThere
}

func byAccept(e *Event) { e.Attribution = ByAccept }

func byHolder(e *Event) { e.Attribution = ByHolder }

func portForgotten(e *Event) { e.Peer = netip.AddrPortFrom(e.Peer.Addr(), 0) }

func listening(e *Event) { e.Peer, e.Dropped, e.Queue = noEndpoint, 57, Queue{Waiting: 2, Limit: 1} }

func calm(e *Event) { e.Dropped, e.Queue = 1, Queue{Waiting: 0, Limit: 128} }

func unsent(e *Event) { e.Local = noEndpoint }

func TestAttributesHoldWhatIsKnownAndNothingElse(t *testing.T) {
	for _, test := range []struct {
		name  string
		event *Event
		want  [][]string
	}{
		{"client opened", event(RoleClient, OutcomeOpened, 0), [][]string{endsV4, ofCurl,
			{`kerntap.tcp.role="client"`, "kerntap.duration=0.0015"}}},
		{"client refused over IPv6", with(event(RoleClient, OutcomeFailed, syscall.ECONNREFUSED), overIPv6),
			[][]string{endsV6, ofCurl,
				{`kerntap.tcp.role="client"`, `error.type="refused"`, "kerntap.errno=111", "kerntap.duration=0.0015"}}},
		{"client gave up", with(event(RoleClient, OutcomeFailed, 0), untimed), [][]string{endsV4, ofCurl,
			{`kerntap.tcp.role="client"`, `error.type="cancelled"`}}},
		{"client failed unseen", with(with(event(RoleClient, OutcomeFailed, errnoOf(-1)), untimed), portForgotten), [][]string{
			endsV4[:len(endsV4)-1], ofCurl, {`kerntap.tcp.role="client"`, `error.type="_OTHER"`}}},
		{"client closed", event(RoleClient, OutcomeClosed, 0), [][]string{endsV4, ofCurl,
			{`kerntap.tcp.role="client"`, "kerntap.duration=0.0015"}}},
		{"client reset", event(RoleClient, OutcomeClosed, syscall.EPIPE), [][]string{endsV4, ofCurl,
			{`kerntap.tcp.role="client"`, `error.type="reset"`, "kerntap.errno=32", "kerntap.duration=0.0015"}}},
		{"server opened", with(event(RoleServer, OutcomeOpened, 0), untimed), [][]string{endsV4, ofCurl,
			{`kerntap.tcp.role="server"`, `kerntap.attribution="listener"`}}},
		{"server of nobody", with(with(event(RoleServer, OutcomeOpened, 0), untimed), ofNobody), [][]string{endsV4,
			{`kerntap.tcp.role="server"`}}},
		{"client of the kernel", with(with(event(RoleClient, OutcomeOpened, 0), untimed), ofTheKernel), [][]string{endsV4,
			{`kerntap.command="kernel"`, `kerntap.tcp.role="client"`}}},
		{"client closed, with what it carried", with(event(RoleClient, OutcomeClosed, 0), carrying), [][]string{endsV4, ofCurl,
			{`kerntap.tcp.role="client"`, "kerntap.duration=0.0015", "kerntap.tcp.sent=5", "kerntap.tcp.received=7",
				"kerntap.tcp.segments.sent=4", "kerntap.tcp.segments.received=3", "kerntap.tcp.segments.retransmitted=1",
				"kerntap.tcp.round_trip=0.002", `kerntap.tcp.ending="fin"`, `kerntap.tcp.ended_by="remote"`}}},
		{"accepted by its process", with(with(event(RoleServer, OutcomeOpened, 0), untimed), byAccept), [][]string{endsV4, ofCurl,
			{`kerntap.tcp.role="server"`}}},
		{"found, its role is not known", with(with(event(RoleUnknown, OutcomeClosed, 0), carrying), byHolder), [][]string{endsV4,
			ofCurl, {`kerntap.attribution="holder"`, "kerntap.minimum_duration=0.0015", "kerntap.tcp.received=7",
				"kerntap.tcp.segments.sent=4", "kerntap.tcp.segments.received=3", "kerntap.tcp.segments.retransmitted=1",
				"kerntap.tcp.round_trip=0.002", `kerntap.tcp.ending="fin"`, `kerntap.tcp.ended_by="remote"`}}},
		{"no route", with(with(event(RoleClient, OutcomeFailed, syscall.ENETUNREACH), untimed), unsent), [][]string{
			slices.Concat(endsV4[:2], endsV4[4:]), ofCurl,
			{`kerntap.tcp.role="client"`, `error.type="network_unreachable"`, "kerntap.errno=101"}}},
		{"listener", with(with(event(RoleServer, OutcomeListenDropped, 0), untimed), listening), [][]string{endsV4[:4], ofCurl,
			{`kerntap.tcp.role="server"`, "kerntap.tcp.listen.packets=57", "kerntap.tcp.listen.queue.length=2",
				"kerntap.tcp.listen.queue.limit=1"}}},
		{"older than kerntap", with(with(event(RoleUnknown, OutcomeClosed, 0), untimed), ofNobody), [][]string{endsV4}},
	} {
		first := telemetry.String("already", "there")
		got := texts(test.event.Attributes([]telemetry.Attribute{first}))
		want := append(texts([]telemetry.Attribute{first}), slices.Concat(test.want...)...)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%q\nwant\n%q", test.name, got, want)
		}
	}
}
