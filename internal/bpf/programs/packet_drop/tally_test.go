package packet_drop

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// labels are a measurement's labels by key.
func labels(m telemetry.Measurement) map[string]string {
	all := make(map[string]string)
	for _, l := range m.Labels {
		if l != (telemetry.Label{}) {
			all[l.Key] = l.Value
		}
	}
	return all
}

func keyOf(wire packetDropPacketDropRow) []byte {
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&wire)), unsafe.Sizeof(wire))...)
}

func TestDropsAreMeasuredInPacketsAndBytes(t *testing.T) {
	of := func(command string) bpf.RowTally {
		return bpf.RowTally{BaseEvent: bpf.BaseEvent{Command: command}, N: 3, Sum: 180}
	}
	var onInterface packetDropPacketDropRow
	onInterface.Reason, onInterface.Ethertype = reasonNetfilter, 0x0806
	onInterface.Interface = [16]int8{'e', 't', 'h', '0'}
	for _, test := range []struct {
		name    string
		counted bpf.RowTally
		row     packetDropPacketDropRow
		adds    uint64
		want    string
	}{
		{"everything known", of("curl"),
			packetDropPacketDropRow{Reason: reasonNetfilter, Location: atReceive, Ethertype: etherTypeIPv4, Protocol: 6, Flags: flagHasProtocol},
			3, "map[kerntap.command:curl kerntap.drop.class:loss kerntap.drop.reason:NETFILTER_DROP network.transport:tcp network.type:ipv4]"},
		{"clean-up over IPv6", of(""),
			packetDropPacketDropRow{Reason: reasonPurge, Ethertype: etherTypeIPv6, Protocol: 6, Flags: flagHasProtocol},
			0, "map[kerntap.drop.class:cleanup kerntap.drop.reason:QUEUE_PURGE network.transport:tcp network.type:ipv6]"},
		{"the end of a connection", of(""),
			packetDropPacketDropRow{Reason: reasonNotSpecified, Ethertype: etherTypeIPv4, Protocol: 6, Flags: flagHasProtocol | uint8(packetEnding)},
			0, "map[kerntap.drop.class:cleanup kerntap.drop.reason:NOT_SPECIFIED network.transport:tcp network.type:ipv4]"},
		{"a place of clean-up", of(""), packetDropPacketDropRow{Reason: reasonNotSpecified, Location: atKill + 8, Ethertype: etherTypeIPv4},
			0, "map[kerntap.drop.class:cleanup kerntap.drop.reason:NOT_SPECIFIED network.type:ipv4]"},
		{"ICMP without a reason", of(""), packetDropPacketDropRow{Ethertype: etherTypeIPv4, Protocol: 1, Flags: flagHasProtocol},
			3, "map[kerntap.drop.class:loss network.transport:icmp network.type:ipv4]"},
		{"ARP on an interface", of(""), onInterface,
			3, "map[kerntap.drop.class:loss kerntap.drop.reason:NETFILTER_DROP network.interface.name:eth0]"},
	} {
		event, err := (&teller{drops(t).causes}).row(test.counted, keyOf(test.row))
		if err != nil {
			t.Fatal(err)
		}
		tally := event.(*Tally)
		got := tally.Measurements(nil)
		if len(got) != 2 || got[0].Metric.Name != "kerntap.packet.drops" || got[0].Value != 3 ||
			got[1].Metric.Name != "kerntap.packet.drop.io" || got[1].Value != 180 || got[0].Labels != got[1].Labels {
			t.Fatalf("%s: %+v", test.name, got)
		}
		if text := fmt.Sprint(labels(got[0])); text != test.want {
			t.Errorf("%s: %s, want %s", test.name, text, test.want)
		}
		if tally.Tally() != test.adds {
			t.Errorf("%s: adds %d to summaries, want %d", test.name, tally.Tally(), test.adds)
		}
	}
}

func TestAKindOfTheOverflowTellsItsReason(t *testing.T) {
	for _, reason := range []uint32{0, 2, 130, coreReasons - 1, 1<<16 | 5, 7<<16 | 63} {
		for ending := range uint8(packetAll) + 1 {
			// as packet_drop_number in bpf/packet_drop.bpf.c
			kind := reason
			if subsystem := reason >> 16; subsystem != 0 {
				kind = coreReasons + subsystem*subsystemReasons + reason&0xffff
			}
			key, err := bpf.Cast[packetDropPacketDropRow](kindRow(kind<<meaningBits + uint32(ending)))
			if err != nil || key.Reason != reason || key.Flags != ending {
				t.Errorf("reason %#x, %d: %+v, %v", reason, ending, key, err)
			}
		}
	}
}

// The program is told which reasons nobody wants to hear of, and those alone.
func TestOnlyUnwantedReasonsGoUnrecorded(t *testing.T) {
	names, config := drops(t).reasons, DefaultConfig()
	for reason, want := range map[int]uint8{0: 2 + 8, reasonNotSpecified: 2 + 8, reasonNoSocket: 0, reasonNetfilter: 0,
		reasonPurge: 1 + 2 + 4, 77: 0} {
		if got := about(config, names)[reason]; got != want {
			t.Errorf("reason %d: %d, want %d", reason, got, want)
		}
	}
	config.Records = append(config.Records, string(ClassCleanup))
	for reason, got := range about(config, names) {
		if got&^reasonAsksPacket != 0 {
			t.Errorf("with clean-up wanted, reason %d: %d", reason, got)
		}
	}
}

func TestProcessesOfCleanUpDoNotCount(t *testing.T) {
	d := &teller{drops(t).causes}
	for _, test := range []struct {
		kind  uint32
		place uint64
		want  bool
	}{
		{reasonNetfilter << meaningBits, atReceive, true},
		{reasonPurge << meaningBits, atReceive, false},
		{reasonNotSpecified << meaningBits, atReceive, true},
		{reasonNotSpecified<<meaningBits | uint32(packetEnding), atReceive, false},
		{reasonNotSpecified << meaningBits, atKill, false},
	} {
		if got := d.counts(test.kind, test.place); got != test.want {
			t.Errorf("kind %d at %x: %v", test.kind, test.place, got)
		}
	}
}
