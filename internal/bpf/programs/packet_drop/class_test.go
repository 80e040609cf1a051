package packet_drop

import (
	"testing"
)

func TestADropIsClassedByItsReason(t *testing.T) {
	for reason, want := range map[string]Class{
		"NETFILTER_DROP":  ClassLoss,
		"SOCKET_RCVBUFF":  ClassLoss,
		"TCP_CSUM":        ClassLoss,
		"IP_OUTNOROUTES":  ClassLoss,
		"77":              ClassLoss,
		"NO_SOCKET":       ClassRefused,
		"TCP_RESET":       ClassRefused,
		"UNHANDLED_PROTO": ClassRefused,
		"QUEUE_PURGE":     ClassCleanup,
		"CONSUMED":        ClassCleanup,
		"OTHERHOST":       ClassCleanup,
		"TCP_OLD_ACK":     ClassCleanup,
	} {
		for _, location := range []string{"", "tcp_v4_rcv+0x10", "sk_stream_kill_queues+0x40"} {
			if got := classify(reason, location, 0); got != want {
				t.Errorf("%s at %q is %s, want %s: the reason decides", reason, location, got, want)
			}
		}
	}
}

func TestADropWithoutAReasonIsClassedByItsPlace(t *testing.T) {
	for location, want := range map[string]Class{
		"":                             ClassLoss,
		"ip_rcv_core+0x10":             ClassLoss,
		"sk_stream_kill_queues+0x40":   ClassCleanup,
		"sk_stream_kill_queues":        ClassCleanup,
		"__tcp_close+0x1a2":            ClassCleanup,
		"skb_queue_purge_reason+0x5":   ClassCleanup,
		"my_sk_stream_kill_queues+0x1": ClassLoss,
		"sk_stream_kill_queues_x+0x1":  ClassLoss,
	} {
		for _, reason := range []string{"", "NOT_SPECIFIED"} {
			if got := classify(reason, location, 0); got != want {
				t.Errorf("%q at %q is %s, want %s", reason, location, got, want)
			}
		}
	}
}

func TestNoReasonHasTwoMeanings(t *testing.T) {
	names := Reasons()
	for i := range names[1:] {
		if names[i] == names[i+1] {
			t.Errorf("%s is in two tables", names[i])
		}
	}
}

func TestADropInTimeWaitIsCleanupUnlessItHasAReason(t *testing.T) {
	for reason, want := range map[string]Class{
		"":                    ClassCleanup,
		"NOT_SPECIFIED":       ClassCleanup,
		"TCP_RFC7323_TW_PAWS": ClassLoss,
		"TCP_RESET":           ClassRefused,
	} {
		if got := classify(reason, "tcp_v4_rcv+0x91", packetEnding); got != want {
			t.Errorf("%q is %s, want %s", reason, got, want)
		}
	}
}

// Kernels without reasons, or with fewer, throw lost data and what nobody needs away at the same place.
func TestThePacketTellsWhatTheKernelDoesNot(t *testing.T) {
	for _, test := range []struct {
		reason, location string
		packet           packetMeaning
		want             Class
	}{
		{"TCP_INVALID_SEQUENCE", "tcp_validate_incoming+0x4f", 0, ClassLoss},
		{"TCP_INVALID_SEQUENCE", "tcp_validate_incoming+0x4f", packetBare, ClassCleanup},
		{"TCP_INVALID_SEQUENCE", "tcp_validate_incoming+0x4f", packetOpens, ClassLoss},
		{"TCP_RFC7323_PAWS", "tcp_validate_incoming+0x4f", 0, ClassLoss},
		{"TCP_RFC7323_PAWS", "tcp_validate_incoming+0x4f", packetBare, ClassCleanup},
		{"TCP_CLOSE", "tcp_drop_reason+0x68", 0, ClassRefused},
		{"TCP_CLOSE", "tcp_drop_reason+0x68", packetBare, ClassCleanup},
		{"TCP_FLAGS", "tcp_v6_do_rcv+0x3c3", 0, ClassLoss},
		{"TCP_FLAGS", "tcp_v6_do_rcv+0x3c3", packetBare, ClassCleanup},
		{"", "tcp_v4_rcv+0x91", packetOpens, ClassRefused},
		{"NOT_SPECIFIED", "tcp_v4_rcv+0x91", packetOpens, ClassCleanup},
		{"", "tcp_v4_rcv+0x91", packetBare, ClassCleanup},
		{"NOT_SPECIFIED", "tcp_v6_rcv+0x91", 0, ClassCleanup},
		{"NO_SOCKET", "tcp_v6_rcv+0x91", packetBare, ClassRefused},
		{"TCP_CSUM", "tcp_v6_rcv+0x91", packetBare, ClassLoss},
		{"", "nf_hook_slow+0x91", packetOpens, ClassLoss},
	} {
		if got := classify(test.reason, test.location, test.packet); got != test.want {
			t.Errorf("%q at %s, %b: %s, want %s", test.reason, test.location, test.packet, got, test.want)
		}
	}
}
