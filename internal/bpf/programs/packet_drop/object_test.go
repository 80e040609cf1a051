package packet_drop

import (
	"reflect"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

func object(t *testing.T) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := loadPacketDrop()
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestSamplesHaveTheSameLayoutInCAndGo(t *testing.T) {
	spec := object(t)
	bpftest.SameLayout(t, spec.Maps[packetDropMapEvents].Value, reflect.TypeFor[packetDropPacketDropEvent]())
	bpftest.SameLayout(t, spec.Maps[packetDropMapOutcomes].Value, reflect.TypeFor[packetDropOutcomes]())
	bpftest.SameLayout(t, spec.Maps[packetDropMapRows0].Key, reflect.TypeFor[packetDropPacketDropRow]())
	bpftest.SameLayout(t, spec.Maps[packetDropMapOwners].Value, reflect.TypeFor[packetDropSocketOwner]())
}

func TestTheObjectHasOneHook(t *testing.T) {
	programs := object(t).Programs
	hook := programs[packetDropProgPacketDropKfreeSkb]
	if len(programs) != 1 || hook == nil {
		t.Fatalf("programs %v", programs)
	}
	if hook.Type != ebpf.Tracing || hook.AttachType != ebpf.AttachTraceRawTp || hook.SectionName != "tp_btf/kfree_skb" {
		t.Errorf("%s is a %v (%v) at %s", hook.Name, hook.Type, hook.AttachType, hook.SectionName)
	}
	if hook.License != "Dual BSD/GPL" {
		t.Errorf("license %q: the kernel gives its tracing helpers to GPL-compatible programs alone", hook.License)
	}
}

func TestTheObjectHasItsMaps(t *testing.T) {
	maps := object(t).Maps
	if ring := maps[packetDropMapEvents]; ring.Type != ebpf.RingBuf || ring.MaxEntries != 1<<20 {
		t.Errorf("the ring is %v", ring)
	}
	if ledger := maps[packetDropMapOutcomes]; ledger.Type != ebpf.PerCPUArray || ledger.MaxEntries != 1 {
		t.Errorf("the ledger is %v", ledger)
	}
	owners := maps[packetDropMapOwners]
	if owners.Type != ebpf.Hash || owners.Flags != unix.BPF_F_NO_PREALLOC {
		t.Errorf("the owners are %v, flags %#x: they are to take no room while there are no sockets", owners, owners.Flags)
	}
}

func TestTheObjectHasItsKnobs(t *testing.T) {
	variables := object(t).Variables
	knobs := []string{packetDropVarSelfTgid, packetDropVarMayProbeRead, packetDropVarSelfNetns, packetDropVarSelfPorts,
		packetDropVarTracepointArgs, packetDropVarRowsBy, packetDropVarSocketsHaveCookies}
	for _, name := range knobs {
		if knob := variables[name]; knob == nil || !knob.Constant() {
			t.Errorf("%s is %v", name, knob)
		}
	}
	for _, name := range []string{packetDropVarScopeNetns, packetDropVarThrottleRow, packetDropVarThrottleProgram,
		packetDropVarThrottleFirst, packetDropVarReasons} {
		if knob := variables[name]; knob == nil || knob.Constant() {
			t.Errorf("%s is %v: it cannot change while the program runs", name, knob)
		}
	}
	for name, variable := range variables {
		if variable.Constant() && !slices.Contains(knobs, name) {
			t.Errorf("%s is a knob that nobody sets", name)
		}
	}
	var args uint32
	if err := variables[packetDropVarTracepointArgs].Get(&args); err != nil || args != 2 {
		t.Errorf("tracepoint_args is %d, %v, want 2: what every kernel has", args, err)
	}
}
