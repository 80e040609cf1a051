package bpf_test

import (
	"slices"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// countedEvent is an event that knows what it adds and how far it travels.
type countedEvent struct{ fakeEvent }

func (*countedEvent) Tally() uint64      { return 9 }
func (*countedEvent) Detail() bpf.Detail { return bpf.Counted }

func TestAnEventThatSaysNothingAddsOneAndIsExported(t *testing.T) {
	if plain := new(fakeEvent); bpf.TallyOf(plain) != 1 || bpf.DetailOf(plain) != bpf.Exported {
		t.Errorf("tally %d, detail %d", bpf.TallyOf(plain), bpf.DetailOf(plain))
	}
	if told := new(countedEvent); bpf.TallyOf(told) != 9 || bpf.DetailOf(told) != bpf.Counted {
		t.Errorf("tally %d, detail %d", bpf.TallyOf(told), bpf.DetailOf(told))
	}
}

func TestWallTimeIsTheTimestampAndItsOffset(t *testing.T) {
	base := bpf.BaseEvent{PID: 3, Command: "sh", Timestamp: 90, WallOffset: noon.UnixNano()}
	if got := base.GetWallClockTime(); !got.Equal(noon.Add(90)) || got.Location() != time.UTC {
		t.Errorf("wall time %v, want %v in UTC", got, noon.Add(90))
	}
	if base.GetPID() != 3 || base.GetCommand() != "sh" || base.GetTimestamp() != 90 {
		t.Errorf("it tells %d, %q, %d", base.GetPID(), base.GetCommand(), base.GetTimestamp())
	}
}

func TestWhatIsNotKnownOfAnOwnerIsLeftOut(t *testing.T) {
	command := telemetry.String(telemetry.Command, "sh")
	pid, vpid := telemetry.Int(telemetry.ProcessPID, 7), telemetry.Int(telemetry.ProcessVPID, 1)
	executable := telemetry.String(telemetry.ProcessExecutable, "dash")
	before := telemetry.String("already", "there")
	for _, test := range []struct {
		base bpf.BaseEvent
		want []telemetry.Attribute
	}{
		{bpf.BaseEvent{}, nil},
		{bpf.BaseEvent{Command: "sh"}, []telemetry.Attribute{command}},
		{bpf.BaseEvent{Command: "sh", PID: 7}, []telemetry.Attribute{command, pid}},
		{bpf.BaseEvent{Command: "sh", PID: 7, VPID: 1, Executable: "dash"},
			[]telemetry.Attribute{command, pid, vpid, executable}},
	} {
		got := test.base.OwnerAttributes([]telemetry.Attribute{before})
		if !slices.Equal(got, append([]telemetry.Attribute{before}, test.want...)) {
			t.Errorf("%+v: %+v, want %+v", test.base, got, test.want)
		}
	}
}

func TestStatesHaveNames(t *testing.T) {
	for state, want := range map[bpf.State]string{
		bpf.New: "new", bpf.Loaded: "loaded", bpf.Attached: "attached", bpf.Running: "running", bpf.Stopped: "stopped",
		bpf.Failed: "failed", bpf.Failed + 1: "unknown", 255: "unknown",
	} {
		if state.String() != want {
			t.Errorf("state %d is %q, want %q", state, state, want)
		}
	}
}
