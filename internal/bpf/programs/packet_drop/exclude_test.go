package packet_drop_test

import (
	"net/netip"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
	"github.com/kerntap/kerntap/internal/kernel"
)

// excluding are settings that exclude reasons.
type excluding []string

func (e excluding) Decode(into any) error {
	into.(*packet_drop.Config).Exclude = e
	return nil
}

// What is excluded is counted as filtered and in no other way.
func TestExcludedReasonsAreFiltered(t *testing.T) {
	bpftest.Require(t)
	if types, err := btf.LoadKernelSpec(); err != nil || kernel.DropReasons.Lost(types) != nil {
		t.Skip("this kernel gives no reasons")
	}
	ns := bpftest.NewNamespace(t)
	ns.Firewall(t, firewall)
	program, err := packet_drop.New(excluding{"SKB_DROP_REASON_NO_SOCKET", "NO_SUCH_REASON"}, bpf.NewInMemoryStorage())
	if err != nil {
		t.Fatal(err)
	}
	recorder := bpftest.Start(t, program)
	const n = 10
	datagrams(t, ns, "127.0.0.1:40012", n, nil) // no socket
	datagrams(t, ns, "127.0.0.1:40009", n, nil) // the firewall
	recorder.Stop(t)
	if found := bpftest.Find(recorder, to(netip.MustParseAddrPort("127.0.0.1:40012"))); len(found) != 0 {
		t.Errorf("%d records of an excluded reason: %s", len(found), found[0].Body())
	}
	for _, tally := range bpftest.Find(recorder, func(*packet_drop.Tally) bool { return true }) {
		if tally.Reason() == "NO_SOCKET" {
			t.Errorf("%d of an excluded reason are counted", tally.N)
		}
	}
	if found := bpftest.Find(recorder, to(netip.MustParseAddrPort("127.0.0.1:40009"))); len(found) != n {
		t.Errorf("%d records of another reason, want %d", len(found), n)
	}
	if stats := program.Status().Stats; stats.Filtered < n {
		t.Errorf("%+v, want at least %d filtered", stats, n)
	}
}

func TestWhatIsNoReasonIsNotExcluded(t *testing.T) {
	for reason, ok := range map[string]bool{"NO_SOCKET": true, "65537": true, "": false, "no socket": false, "-1": false} {
		if _, err := packet_drop.New(excluding{reason}, bpf.NewInMemoryStorage()); (err == nil) != ok {
			t.Errorf("%q: %v", reason, err)
		}
	}
}
