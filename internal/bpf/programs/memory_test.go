package programs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs"
)

// loadWithin loads every program with so little locked memory for its maps and returns how each did, stopped.
func loadWithin(t *testing.T, bytes uint64) []bpf.Status {
	t.Helper()
	bpftest.Require(t)
	session := bpf.NewSession(nil)
	session.LockedBytes = bytes
	var statuses []bpf.Status
	for _, entry := range programs.All() {
		program, err := entry.New(defaults{}, bpf.NewInMemoryStorage(), bpf.WithSession(session))
		if err != nil {
			t.Fatal(err)
		}
		_ = program.Load() // its status tells
		statuses = append(statuses, program.Status())
		if err := program.Stop(); err != nil {
			t.Error(err)
		}
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	return statuses
}

func TestMapsShrinkToWhatMayBeLockedAndSaySo(t *testing.T) {
	const locked = 3 << 20
	for _, status := range loadWithin(t, locked) {
		shrunk := slices.ContainsFunc(status.Reductions, func(r bpf.Reduction) bool {
			return r.Name == "map_memory" && strings.Contains(r.Reason, "3072 KiB") && r.Remedy != ""
		})
		if status.State != bpf.Loaded || status.MapBytes > 2*locked || !shrunk {
			t.Errorf("%s is %s with maps of %d bytes: %s %+v", status.Name, status.State, status.MapBytes, status.Reason, status.Reductions)
		}
	}
}

func TestMapsThatDoNotFitSayWhatTheyTake(t *testing.T) {
	for _, status := range loadWithin(t, 100<<10) {
		if status.State != bpf.Failed || !strings.Contains(status.Reason, "KiB of locked memory at least") {
			t.Errorf("%s is %s: %s", status.Name, status.State, status.Reason)
		}
	}
}
