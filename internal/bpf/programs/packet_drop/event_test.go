package packet_drop

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// event is a TCP packet of curl that was dropped for a reason somewhere.
func event(reason, location string) *Event {
	return &Event{
		BaseEvent: base, cause: &cause{reason: reason, meaning: explained(reason, location, 0), location: location},
		ReasonCode: 8, Packet: Packet{
			Length: 60, EtherType: etherTypeIPv4, Protocol: 6, Known: KnownAddresses | KnownProtocol | KnownPorts,
			Source:      netip.MustParseAddrPort("192.0.2.1:40000"),
			Destination: netip.MustParseAddrPort("198.51.100.2:443"),
		},
	}
}

// with changes an event.
func with(e *Event, changes ...func(*Event)) *Event {
	for _, change := range changes {
		change(e)
	}
	return e
}

func ofNobody(e *Event) {
	e.BaseEvent = bpf.BaseEvent{Timestamp: base.Timestamp, WallOffset: base.WallOffset}
}

func overIPv6(e *Event) {
	e.EtherType = etherTypeIPv6
	e.Source, e.Destination = netip.MustParseAddrPort("[2001:db8::1]:40000"), netip.MustParseAddrPort("[2001:db8::2]:443")
}

// without ports are later fragments and every protocol but TCP and UDP.
func withoutPorts(e *Event) {
	e.Known &^= KnownPorts
	e.Source, e.Destination = netip.AddrPortFrom(e.Source.Addr(), 0), netip.AddrPortFrom(e.Destination.Addr(), 0)
}

func protocol(number uint8) func(*Event) { return func(e *Event) { e.Protocol = number } }

// unreadable packets have a network header that nobody could read.
func unreadable(ethertype uint16) func(*Event) {
	return func(e *Event) {
		e.EtherType, e.Protocol, e.Known = ethertype, 0, 0
		e.Source, e.Destination = netip.AddrPort{}, netip.AddrPort{}
	}
}

func TestEveryClassHasItsSeverityAndDetail(t *testing.T) {
	for _, test := range []struct {
		reason   string
		class    Class
		severity telemetry.Severity
		detail   bpf.Detail // where the configuration does not export it
	}{
		{"NETFILTER_DROP", ClassLoss, telemetry.Warn, bpf.Kept},
		{"NO_SOCKET", ClassRefused, telemetry.Info, bpf.Kept},
		{"QUEUE_PURGE", ClassCleanup, telemetry.Info, bpf.Counted},
	} {
		e := event(test.reason, "")
		if e.Class() != test.class || e.Severity() != test.severity || e.Tally() != 0 || e.Detail() != test.detail {
			t.Errorf("%s: %s, severity %d, tally %d, detail %d", test.reason, e.Class(), e.Severity(), e.Tally(), e.Detail())
		}
		if e.exported = true; e.Detail() != bpf.Exported {
			t.Errorf("%s, exported: detail %d", test.reason, e.Detail())
		}
		if e.EventName() != "kerntap.packet.dropped" || e.GetEventType() != "packet_drop" {
			t.Errorf("%s of %s", e.EventName(), e.GetEventType())
		}
	}
}

func TestTheConfigurationChoosesWhatIsExported(t *testing.T) {
	for number, want := range map[uint32]bpf.Detail{
		reasonNetfilter: bpf.Exported, reasonNoSocket: bpf.Kept, reasonPurge: bpf.Exported,
	} {
		d := drops(t)
		d.config.Store(&Config{Records: []string{"loss", "cleanup"}})
		wire := wireOf(etherTypeIPv4, "192.0.2.1", "192.0.2.2")
		wire.Reason = number
		if got := decode(t, d, wire).Detail(); got != want {
			t.Errorf("reason %d: detail %d, want %d", number, got, want)
		}
	}
}

func TestADropIsListedInTheContractsForm(t *testing.T) {
	for _, test := range []struct {
		event *Event
		want  bpf.PacketDropInfo
	}{
		{event("NETFILTER_DROP", ""), bpf.PacketDropInfo{PID: 1234, Command: "curl", DropReason: "NETFILTER_DROP", SkbLength: 60}},
		{with(event("", ""), ofNobody), bpf.PacketDropInfo{SkbLength: 60}},
	} {
		test.want.Timestamp = base.GetWallClockTime()
		if got := test.event.PacketDropInfo(); got != test.want {
			t.Errorf("%+v, want %+v", got, test.want)
		}
	}
}

func TestAnEventsJSONIsTheContracts(t *testing.T) {
	for _, test := range []struct {
		event *Event
		want  bpf.PacketDropJSON
	}{
		{event("NO_SOCKET", "tcp_v4_rcv+0x10"), bpf.PacketDropJSON{PID: 1234, Command: "curl", DropReason: "NO_SOCKET"}},
		{with(event("", ""), ofNobody, unreadable(0x0806)), bpf.PacketDropJSON{}},
	} {
		text, err := json.Marshal(test.event)
		if err != nil {
			t.Fatal(err)
		}
		var got bpf.PacketDropJSON
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		test.want.TimestampNS, test.want.WallTime, test.want.Note = 7, base.GetWallClockTime(), bpf.TimestampNote
		test.want.DropReasonCode, test.want.SkbLength = 8, 60
		if got != test.want {
			t.Errorf("%s\nis %+v\nwant %+v", text, got, test.want)
		}
	}
}

func TestABodyIsOneLineForPeople(t *testing.T) {
	const ends = "192.0.2.1:40000 → 198.51.100.2:443, 60 bytes"
	const firewalled = ": a rule of the firewall drops it; look at nft list ruleset; iptables -nvL; its counters"
	for _, test := range []struct {
		event *Event
		want  string
	}{
		{event("NETFILTER_DROP", "nft_do_chain+0x3f"),
			"dropped tcp " + ends + ": NETFILTER_DROP at nft_do_chain+0x3f (curl[1234])" + firewalled},
		{with(event("NETFILTER_DROP", ""), ofNobody), "dropped tcp " + ends + ": NETFILTER_DROP" + firewalled},
		{with(event("", ""), ofNobody, protocol(17)), "dropped udp " + ends + ": the kernel does not say why"},
		{with(event("77", ""), ofNobody, overIPv6), "dropped tcp [2001:db8::1]:40000 → [2001:db8::2]:443, 60 bytes: 77: the kernel has no name for this reason"},
		{with(event("X", ""), ofNobody, withoutPorts), "dropped tcp 192.0.2.1 → 198.51.100.2, 60 bytes: X: x"},
		{with(event("X", ""), ofNobody, withoutPorts, protocol(1)), "dropped icmp 192.0.2.1 → 198.51.100.2, 60 bytes: X: x"},
		{with(event("X", ""), ofNobody, overIPv6, withoutPorts, protocol(58)),
			"dropped ipv6-icmp 2001:db8::1 → 2001:db8::2, 60 bytes: X: x"},
		{with(event("X", ""), ofNobody, withoutPorts, protocol(132)), "dropped 132 192.0.2.1 → 198.51.100.2, 60 bytes: X: x"},
		{with(event("X", ""), ofNobody, unreadable(0x0806)), "dropped a packet of EtherType 0x0806, 60 bytes: X: x"},
	} {
		if got := test.event.Body(); got != test.want {
			t.Errorf("body %q, want %q", got, test.want)
		}
	}
}
