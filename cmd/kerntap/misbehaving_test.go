package main

import (
	"maps"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// mistreatment is how a collector answers the nth request with log records, counted from 1, and why some are lost by that.
type mistreatment struct {
	answer func(n int) (rejected int64, err error)
	cause  string // "" where none is lost
	cut    int    // how many of its connections end in the middle of what they bring
}

func mistreatments() map[string]mistreatment {
	return map[string]mistreatment{
		"slow": {answer: func(int) (int64, error) {
			<-time.After(2 * time.Second)
			return 0, nil
		}},
		"partial success": {answer: func(int) (int64, error) { return 3, nil }, cause: "rejected"},
		"resource exhausted": {answer: func(n int) (int64, error) {
			if n <= 2 {
				return 0, status.Error(codes.ResourceExhausted, "full")
			}
			return 0, nil
		}, cause: "resource_exhausted"},
		"unavailable for a second": {answer: func(n int) (int64, error) {
			if n <= 2 {
				told, err := status.New(codes.Unavailable, "soon").WithDetails(
					&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
				if err != nil {
					return 0, err
				}
				return 0, told.Err()
			}
			return 0, nil
		}},
		"unimplemented": {answer: func(n int) (int64, error) {
			if n <= 2 {
				return 0, status.Error(codes.Unimplemented, "no logs here")
			}
			return 0, nil
		}, cause: "unimplemented"},
		"connections that end in the middle": {answer: func(int) (int64, error) { return 0, nil }, cut: 3},
	}
}

// However a collector treats a kerntap that watches real connections, what it got and what /health, /metrics and the last
// metrics over OTLP say of it is the same, to the unit.
func TestAMisbehavingCollectorLeavesAnAccountThatAddsUp(t *testing.T) {
	const n, command = 3000, "kt-misbehave"
	for name, test := range mistreatments() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			collector, socket := witness{answer: test.answer, cut: test.cut}, filepath.Join(t.TempDir(), "otlp.sock")
			collector.start(t, "unix", socket, nil)
			ns := newPlace(t)
			kerntap := ns.start(t, otlpTo("grpc", "unix://"+socket), "--programs", "connection", "--metric-interval", "500ms",
				"--throttle-row", "off", "--throttle-program", "off")
			ns.StartHelper(t, command, "dialPaced", strconv.Itoa(n), "1000").End(t)
			until(t, "all are counted", func() bool { return connectionsCounted(t, ns.api, command) == n })
			account := checkAccount(t, ns.api)
			kerntap.stop(t)
			collector.mu.Lock()
			defer collector.mu.Unlock()
			exported := account[fact{"exporter_records", "", "exported", ""}]
			failed := account[fact{"exporter_records", "", "failed", test.cause}]
			if exported != uint64(collector.taken) || exported+failed != n || (failed > 0) != (test.cause != "") {
				t.Errorf("%d of %d records were taken: %v", collector.taken, n, account)
			}
			if collector.cut != 0 {
				t.Errorf("%d connections were to end in the middle and did not", collector.cut)
			}
			if !maps.Equal(collector.told.steady(), account.steady()) {
				t.Errorf("over OTLP it says %v, /health said %v", collector.told, account)
			}
		})
	}
}
