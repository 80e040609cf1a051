package packet_drop_test

import (
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
	"github.com/kerntap/kerntap/internal/kernel"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// often is how often each cause is caused.
const often = 20

// realCause drops packets for one reason.
type realCause struct {
	name string
	// reasons are what kernels call it; those that have none of them do not specify it, or give no reasons at all.
	reasons []string
	class   packet_drop.Class
	// inWords may drop for it although it is not the class that a kernel without the reason can tell.
	unspecified packet_drop.Class
	// prepare makes the pair drop what cause sends, as often as it is told. false skips what the kernel cannot do.
	prepare func(*testing.T, *bpftest.Pair) bool
	cause   func(*testing.T, *bpftest.Pair, int)
	// truth counts independently of kerntap how many were dropped.
	truth func(*testing.T, *bpftest.Pair) int
	// match tells the packets from what else passes.
	match func(*packet_drop.Event) bool
	// device and direction are what a record says, "" where it does not say it.
	device, direction string
	owned             bool // by this process
}

// everything are settings that ask for records of every class.
type everything struct{}

func (everything) Decode(into any) error {
	into.(*packet_drop.Config).Records = []string{"loss", "refused", "cleanup"}
	return nil
}

func startAll(t *testing.T) *bpftest.Recorder {
	t.Helper()
	program, err := packet_drop.New(everything{}, bpf.NewInMemoryStorage())
	if err != nil {
		t.Fatal(err)
	}
	return bpftest.Start(t, program)
}

// knownReasons are the names that the running kernel has.
func knownReasons(t *testing.T) map[string]bool {
	t.Helper()
	types, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	reasons, err := kernel.LoadReasonNames(types)
	if err != nil {
		return names
	}
	for _, name := range reasons.All() {
		names[name] = true
	}
	return names
}

// The same packets are dropped by the kernel, counted by the kernel's own counters, and told by the program.
func TestEveryCauseIsToldAsWhatItIs(t *testing.T) {
	bpftest.Require(t)
	bpftest.RequireTool(t, "nft")
	known := knownReasons(t)
	recorder := startAll(t)
	for _, c := range realCauses() {
		t.Run(c.name, func(t *testing.T) {
			pair := bpftest.NewPair(t)
			if c.prepare != nil && !c.prepare(t, pair) {
				t.Skip("this kernel has not what it takes")
			}
			told := len(bpftest.Find(recorder, c.match)) // of other causes
			before := 0
			if c.truth != nil {
				before = c.truth(t, pair)
			}
			c.cause(t, pair, often)
			found := bpftest.AwaitN(recorder, told+often, 5*time.Second, c.match)[told:]
			truth := often
			if c.truth != nil {
				truth = c.truth(t, pair) - before
			}
			if len(found) != truth || truth < often {
				t.Errorf("%d drops are told, the kernel counts %d, %d were caused", len(found), truth, often)
			}
			for _, e := range found {
				c.check(t, e, known)
				if t.Failed() {
					break
				}
			}
			if len(found) > 0 {
				t.Log(found[0].Body())
			}
		})
	}
}

func (c *realCause) check(t *testing.T, e *packet_drop.Event, known map[string]bool) {
	t.Helper()
	class := c.class
	specified := slices.Contains(c.reasons, e.Reason())
	if !specified {
		if c.unspecified != "" {
			class = c.unspecified
		}
		if e.Reason() != "" && e.Reason() != "NOT_SPECIFIED" || known["TCP_LISTEN_OVERFLOW"] {
			t.Errorf("reason %q, want one of %v: %s", e.Reason(), c.reasons, e.Body())
		}
	}
	if e.Class() != class {
		t.Errorf("class %s, want %s: %s", e.Class(), class, e.Body())
	}
	if e.Interface != c.device || e.Direction != c.direction && (specified || e.Direction != "") {
		t.Errorf("on %q %s, want %q %s: %s", e.Interface, e.Direction, c.device, c.direction, e.Body())
	}
	if c.owned != (e.PID != 0) {
		t.Errorf("owner %s[%d], want one: %v", e.Command, e.PID, c.owned)
	}
}

// received matches what came over the wire from and to these addresses.
func received(e *packet_drop.Event) bool {
	return e.Source.Addr() == bpftest.Near && e.Destination.Addr() == bpftest.Far && e.Direction != telemetry.Transmit
}
