package connection

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
	spec, err := loadConnection()
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestSamplesHaveTheSameLayoutInCAndGo(t *testing.T) {
	spec := object(t)
	bpftest.SameLayout(t, spec.Maps[connectionMapEvents].Value, reflect.TypeFor[connectionConnectionEvent]())
	bpftest.SameLayout(t, spec.Maps[connectionMapOutcomes].Value, reflect.TypeFor[connectionOutcomes]())
	bpftest.SameLayout(t, spec.Maps[connectionMapRows0].Key, reflect.TypeFor[connectionConnectionRow]())
	bpftest.SameLayout(t, spec.Maps[connectionMapOwners].Value, reflect.TypeFor[connectionSocketOwner]())
}

func TestTheObjectHasItsHooks(t *testing.T) {
	programs := object(t).Programs
	hooks := map[string]string{
		connectionProgConnectionState:     "tp_btf/inet_sock_set_state",
		connectionProgConnectionError:     "tp_btf/inet_sk_error_report",
		connectionProgConnectionDestroyed: "tp_btf/tcp_destroy_sock",
	}
	instead := map[string]string{
		connectionProgConnectionErrorReport: "fentry/sock_def_error_report",
		connectionProgConnectionOlder:       "iter/task_file",
		connectionProgConnectionOpen:        "iter/bpf_map_elem",
		connectionProgConnectionAccepted:    "fentry/security_sock_graft",
		connectionProgConnectionConnect4:    "fexit/tcp_v4_connect",
		connectionProgConnectionConnect6:    "fexit/tcp_v6_connect",
		connectionProgConnectionForbidden4:  "fexit/tcp_v4_pre_connect",
		connectionProgConnectionForbidden6:  "fexit/tcp_v6_pre_connect",
		connectionProgConnectionUdp4:        "fexit/__ip4_datagram_connect",
		connectionProgConnectionUdp6:        "fexit/__ip6_datagram_connect",
		connectionProgConnectionCalls:       "tracepoint/syscalls/sys_enter_connect",
		connectionProgConnectionCalled:      "tracepoint/syscalls/sys_exit_connect",
	}
	for name, section := range instead {
		if program := programs[name]; program == nil || program.SectionName != section {
			t.Errorf("%s is %v, want one at %s", name, program, section)
		}
	}
	if len(programs) != len(hooks)+len(instead) {
		t.Errorf("programs %v", programs)
	}
	for name, section := range hooks {
		hook := programs[name]
		if hook == nil || hook.Type != ebpf.Tracing || hook.AttachType != ebpf.AttachTraceRawTp || hook.SectionName != section {
			t.Errorf("%s is %v, want one at %s", name, hook, section)
			continue
		}
		if hook.License != "Dual BSD/GPL" {
			t.Errorf("license %q: the kernel gives its tracing helpers to GPL-compatible programs alone", hook.License)
		}
	}
}

func TestTheObjectHasItsMaps(t *testing.T) {
	maps := object(t).Maps
	if ring := maps[connectionMapEvents]; ring.Type != ebpf.RingBuf || ring.MaxEntries != 1<<20 {
		t.Errorf("the ring is %v", ring)
	}
	if ledger := maps[connectionMapOutcomes]; ledger.Type != ebpf.PerCPUArray || ledger.MaxEntries != 1 {
		t.Errorf("the ledger is %v", ledger)
	}
	owners := maps[connectionMapOwners]
	if owners.Type != ebpf.Hash || owners.Flags != unix.BPF_F_NO_PREALLOC {
		t.Errorf("the owners are %v, flags %#x: they are to take no room while there are no sockets", owners, owners.Flags)
	}
	listeners := maps[connectionMapListeners]
	if listeners.Type != ebpf.Hash || listeners.Flags != unix.BPF_F_NO_PREALLOC {
		t.Errorf("the listeners are %v, flags %#x: they are to take no room while there are none", listeners, listeners.Flags)
	}
}

func TestTheObjectHasItsKnobs(t *testing.T) {
	variables := object(t).Variables
	knobs := []string{connectionVarSelfTgid, connectionVarMayProbeRead, connectionVarSelfNetns, connectionVarSelfPorts,
		connectionVarRowsBy, connectionVarDistributionBounds, connectionVarMeasuresNone, connectionVarSocketsHaveCookies,
		connectionVarTasksAreTyped, connectionVarFilesHaveSockets,
		connectionVarAcceptorsAreSeen, connectionVarOpenAreTold, connectionVarRowsAreKept, connectionVarDistributionBelow}
	for _, name := range knobs {
		if knob := variables[name]; knob == nil || !knob.Constant() {
			t.Errorf("%s is %v", name, knob)
		}
	}
	for _, name := range []string{connectionVarScopeNetns, connectionVarThrottleRow, connectionVarThrottleProgram,
		connectionVarThrottleFirst} {
		if knob := variables[name]; knob == nil || knob.Constant() {
			t.Errorf("%s is %v: it cannot change while the program runs", name, knob)
		}
	}
	for name, variable := range variables {
		if variable.Constant() && !slices.Contains(knobs, name) {
			t.Errorf("%s is a knob that nobody sets", name)
		}
	}
}
