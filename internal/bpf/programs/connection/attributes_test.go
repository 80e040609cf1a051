package connection

import (
	"fmt"
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
