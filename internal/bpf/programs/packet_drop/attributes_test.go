package packet_drop

import (
	"fmt"
	"slices"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// texts shows attributes as key=value.
func texts(attributes []telemetry.Attribute) []string {
	var all []string
	for _, a := range attributes {
		if a.IsInt() {
			all = append(all, fmt.Sprintf("%s=%d", a.Key, a.Number()))
		} else {
			all = append(all, fmt.Sprintf("%s=%q", a.Key, a.Text()))
		}
	}
	return all
}

func TestAttributesHoldWhatIsKnownAndNothingElse(t *testing.T) {
	addresses := []string{`source.address="192.0.2.1"`, `destination.address="198.51.100.2"`}
	ports := []string{"source.port=40000", "destination.port=443"}
	for _, test := range []struct {
		name  string
		event *Event
		want  [][]string
	}{
		{"everything known", event("NETFILTER_DROP", "nft_do_chain+0x3f"), [][]string{
			{`kerntap.drop.reason="NETFILTER_DROP"`, `kerntap.drop.class="loss"`, `kerntap.drop.location="nft_do_chain+0x3f"`,
				"kerntap.packet.size=60", `network.type="ipv4"`, `network.transport="tcp"`}, addresses, ports,
			{`kerntap.command="curl"`, "process.pid=1234", "process.vpid=1", `process.executable.name="curl"`}}},
		{"no reason, location or owner", with(event("", ""), ofNobody), [][]string{
			{`kerntap.drop.class="loss"`, "kerntap.packet.size=60", `network.type="ipv4"`, `network.transport="tcp"`},
			addresses, ports}},
		{"refused over IPv6", with(event("NO_SOCKET", ""), ofNobody, overIPv6), [][]string{
			{`kerntap.drop.reason="NO_SOCKET"`, `kerntap.drop.class="refused"`, "kerntap.packet.size=60",
				`network.type="ipv6"`, `network.transport="tcp"`, `source.address="2001:db8::1"`,
				`destination.address="2001:db8::2"`}, ports}},
		{"a fragment of UDP", with(event("QUEUE_PURGE", ""), ofNobody, withoutPorts, protocol(17)), [][]string{
			{`kerntap.drop.reason="QUEUE_PURGE"`, `kerntap.drop.class="cleanup"`, "kerntap.packet.size=60",
				`network.type="ipv4"`, `network.transport="udp"`}, addresses}},
		{"ICMP", with(event("", ""), ofNobody, withoutPorts, protocol(1)), [][]string{
			{`kerntap.drop.class="loss"`, "kerntap.packet.size=60", `network.type="ipv4"`, `network.transport="icmp"`},
			addresses}},
		{"ARP", with(event("", ""), ofNobody, unreadable(0x0806)), [][]string{
			{`kerntap.drop.class="loss"`, "kerntap.packet.size=60", "kerntap.packet.ethertype=2054"}}},
		{"IPv4 without a readable header", with(event("", ""), ofNobody, unreadable(etherTypeIPv4)), [][]string{
			{`kerntap.drop.class="loss"`, "kerntap.packet.size=60", `network.type="ipv4"`}}},
		{"of the kernel", with(event("", ""), ofNobody, unreadable(0x0806), func(e *Event) { e.Command = "kernel" }),
			[][]string{{`kerntap.drop.class="loss"`, "kerntap.packet.size=60", "kerntap.packet.ethertype=2054",
				`kerntap.command="kernel"`}}},
	} {
		first := telemetry.String("already", "there")
		got := texts(test.event.Attributes([]telemetry.Attribute{first}))
		want := append(texts([]telemetry.Attribute{first}), slices.Concat(test.want...)...)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%q\nwant\n%q", test.name, got, want)
		}
	}
}

func TestAnUnknownRecordIsRefusedByItsKey(t *testing.T) {
	for record, ok := range map[string]bool{"loss": true, "refused": true, "cleanup": true, "": false, "Loss": false, "all": false} {
		err := Config{Records: []string{"loss", record}}.Validate()
		if (err == nil) != ok {
			t.Errorf("%q: %v", record, err)
		}
		const want = `programs.packet_drop.records: "all" is not one of loss, refused, cleanup`
		if record == "all" && err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

// refusing are settings that hold a bad value.
type refusing struct{}

func (refusing) Decode(into any) error {
	into.(*Config).Records = []string{"all"}
	return nil
}

func TestAProgramIsNotBuiltFromBadSettings(t *testing.T) {
	if program, err := New(refusing{}, bpf.NewInMemoryStorage()); err == nil || program != nil {
		t.Errorf("built %v, %v", program, err)
	}
}
