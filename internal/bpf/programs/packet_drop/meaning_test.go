package packet_drop

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/kernel"
)

// markers of the enum are no reasons.
var markers = map[string]bool{"MAX": true, "SUBSYS_MASK": true, "__QDISC_DROP_REASON": true, "QDISC_DROP_UNSPEC": true, "QDISC_DROP_MAX": true,
	"__OVS_DROP_REASON": true, "OVS_DROP_MAX": true}

// Whatever kernel this runs on: everything that it can say is explained.
func TestEveryReasonOfThisKernelIsExplained(t *testing.T) {
	types, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skipf("needs the kernel's BTF: %v", err)
	}
	reasons, err := kernel.LoadReasonNames(types)
	if errors.Is(err, kernel.ErrNoEnum) {
		t.Skip("this kernel gives no reasons")
	} else if err != nil {
		t.Fatal(err)
	}
	n := 0
	for number, name := range reasons.All() {
		n++
		if _, ok := Explain(name); !ok && !markers[name] && number>>16 == 0 {
			t.Errorf("%s (%d) is not explained", name, number)
		}
	}
	if n < 50 {
		t.Errorf("%d reasons: the kernels that have any have more", n)
	}
}

func TestMeaningsAreClausesOfOneLine(t *testing.T) {
	all := make(map[string]Meaning)
	for _, name := range Reasons() {
		all[name], _ = Explain(name)
	}
	for function, meaning := range locations {
		all[function] = meaning
	}
	for name, meaning := range all {
		if meaning.Class != ClassLoss && meaning.Class != ClassRefused && meaning.Class != ClassCleanup {
			t.Errorf("%s has no class", name)
		}
		for _, text := range []string{meaning.What, meaning.Look} {
			if strings.ContainsFunc(text, unicode.IsControl) || strings.HasSuffix(text, ".") || strings.TrimSpace(text) != text {
				t.Errorf("%s: %q is no clause", name, text)
			}
		}
		if meaning.What == "" || meaning.Class == ClassLoss && meaning.Look == "" && !unspecified(name) &&
			name != "SKB_NOT_DROPPED_YET" {
			t.Errorf("%s: %+v tells too little", name, meaning)
		}
	}
}

func TestAReasonIsExplainedHoweverItIsWritten(t *testing.T) {
	for _, name := range []string{"NO_SOCKET", "no_socket", "SKB_DROP_REASON_NO_SOCKET"} {
		if meaning, ok := Explain(name); !ok || meaning != socketReasons["NO_SOCKET"] {
			t.Errorf("%s: %+v, %v", name, meaning, ok)
		}
	}
	for name, want := range map[string]string{
		"RX_DROP_U_MIC_FAIL": "rx drop u mic fail", "77": "the kernel has no name for this reason",
	} {
		if meaning, ok := Explain(name); ok || meaning != (Meaning{Class: ClassLoss, What: want}) {
			t.Errorf("%s: %+v, %v", name, meaning, ok)
		}
	}
}

// What kernels without reasons mean is told by the packet and the place.
func TestADropWithoutAReasonIsExplainedByPacketAndPlace(t *testing.T) {
	for _, test := range []struct {
		location string
		packet   packetMeaning
		class    Class
		what     string
	}{
		{"tcp_v4_rcv+0x5", packetOpens, ClassRefused, "no socket is open there"},
		{"tcp_v4_rcv+0x5", 0, ClassCleanup, "it came for a connection that has ended, or that its listener had no room for"},
		{"tcp_v4_rcv+0x5", packetBadSum, ClassLoss, "its checksum is wrong: it was damaged on its way"},
		{"__netif_receive_skb_core.constprop.0+0x5", 0, ClassRefused, locations["__netif_receive_skb_core"].What},
		{"", 0, ClassLoss, "the kernel does not say why"},
		{"some_driver+0x5 [some]", 0, ClassLoss, "the kernel does not say why"},
	} {
		if got := explained("", test.location, test.packet); got.Class != test.class || got.What != test.what {
			t.Errorf("%s, %b: %+v", test.location, test.packet, got)
		}
	}
	if got := explained("TCP_INVALID_SEQUENCE", "", packetBare); got != tcpReasons["TCP_OLD_SEQUENCE"] {
		t.Errorf("a probe on a kernel that has no name for it: %+v", got)
	}
}
