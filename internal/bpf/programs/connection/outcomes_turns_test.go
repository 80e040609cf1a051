package connection_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
)

// scene is where connects are tried.
type scene struct {
	ns      *bpftest.Namespace
	servers map[string]netip.AddrPort
	prepare func(*bpftest.Process) // is given each process before it connects; may be nil
}

// tryInEveryWay tries causes in each way in which this kernel shows outcomes. Where the kernel skips runs of the program
// because tasks interrupt it, one connect is made after the other.
func tryInEveryWay(t *testing.T, all []cause, arrange func(*testing.T) scene) {
	t.Helper()
	ways := instantWays(t)
	ways["by states alone"] = startWithoutFunctions
	for way, begin := range ways {
		t.Run(way, func(t *testing.T) {
			unexplained := 0 // this machine's kernel may run no program at a time, and not say so; hardly twice
			for turn, serial := range []bool{testing.Short(), true, true} {
				var wrong []string
				var explained string
				t.Run(fmt.Sprint("turn ", turn+1), func(t *testing.T) { // whose processes end with it
					recorder := begin(t)
					wrong = try(t, way, recorder, arrange(t), all, serial)
					explained = explanation(recorder)
				})
				if len(wrong) == 0 {
					return
				}
				if explained == "" {
					unexplained++
				}
				if unexplained > 1 {
					t.Fatal(strings.Join(wrong, "\n"))
				}
				t.Logf("%s\n%s", explained, strings.Join(wrong, "\n"))
			}
			t.Error("in none of several turns every connect had its one outcome")
		})
	}
}

// explanation tells what the kernel did not let the program see, "" if there is no sign of that.
func explanation(recorder *bpftest.Recorder) string {
	unseen := bpftest.Find(recorder, func(e *connection.Event) bool {
		return e.Errno == connection.ErrnoUnseen || e.Outcome == connection.OutcomeFailed && e.Peer.Port() == 0
	})
	if missed := recorder.Missed(); missed > 0 || len(unseen) > 0 {
		return fmt.Sprintf("%d runs of the program were skipped, %d failures not seen", missed, len(unseen))
	}
	return ""
}
