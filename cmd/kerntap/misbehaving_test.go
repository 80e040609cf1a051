package main

import (
	"maps"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// However a collector treats a kerntap that watches real connections, what it got and what /health, /metrics and the last
// metrics over OTLP say of it is the same, to the unit.
func TestAMisbehavingCollectorLeavesAnAccountThatAddsUp(t *testing.T) {
	const n, command = 3000, "kt-misbehave"
	for name, test := range map[string]struct {
		answer func(n int) (rejected int64, err error)
		cause  string // of what is lost
	}{
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
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			collector := witness{answer: test.answer}
			socket := filepath.Join(t.TempDir(), "otlp.sock")
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
			exported, failed := account[fact{"exporter_records", "", "exported", ""}], uint64(0)
			if test.cause != "" {
				failed = account[fact{"exporter_records", "", "failed", test.cause}]
			}
			if exported != uint64(collector.taken) || exported+failed != n || (failed > 0) != (test.cause != "") {
				t.Errorf("%d of %d records were taken: %v", collector.taken, n, account)
			}
			if !maps.Equal(collector.told.steady(), account.steady()) {
				t.Errorf("over OTLP it says %v, /health said %v", collector.told, account)
			}
		})
	}
}
