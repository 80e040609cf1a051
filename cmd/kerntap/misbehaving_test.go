package main

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// mistreatment is how a collector answers the nth request with log records, counted from 1, and why some are lost by that.
type mistreatment struct {
	answer func(n int) (rejected int64, err error)
	cause  string // "" where none is lost
	cut    int    // how many of its connections end in the middle of what they bring
}

func mistreatments(t *testing.T, protocol string) map[string]mistreatment {
	t.Helper()
	all := map[string]mistreatment{
		"slow": {answer: func(int) (int64, error) {
			<-time.After(2 * time.Second)
			return 0, nil
		}},
		"partial success":                    {answer: func(int) (int64, error) { return 3, nil }, cause: "rejected"},
		"connections that end in the middle": {answer: func(int) (int64, error) { return 0, nil }, cut: 3},
	}
	if protocol == "grpc" {
		maps.Copy(all, mistreatmentsOverGRPC(t))
	} else {
		maps.Copy(all, mistreatmentsOverHTTP())
	}
	return all
}

// first gives the first two requests an answer of their own.
func first(refused error) func(int) (int64, error) {
	return func(n int) (int64, error) {
		if n <= 2 {
			return 0, refused
		}
		return 0, nil
	}
}

func mistreatmentsOverHTTP() map[string]mistreatment {
	return map[string]mistreatment{
		"too many requests":        {answer: first(refusal{status: http.StatusTooManyRequests})},
		"unavailable for a second": {answer: first(refusal{http.StatusServiceUnavailable, "1"})},
		"not found":                {answer: first(refusal{status: http.StatusNotFound}), cause: "404"},
		"broken":                   {answer: first(refusal{status: http.StatusInternalServerError}), cause: "500"},
	}
}

func mistreatmentsOverGRPC(t *testing.T) map[string]mistreatment {
	t.Helper()
	soon, err := status.New(codes.Unavailable, "soon").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]mistreatment{
		"resource exhausted":       {answer: first(status.Error(codes.ResourceExhausted, "full")), cause: "resource_exhausted"},
		"unavailable for a second": {answer: first(soon.Err())},
		"unimplemented":            {answer: first(status.Error(codes.Unimplemented, "no logs here")), cause: "unimplemented"},
	}
}

// However a collector treats a kerntap that watches real connections, what it got and what /health, /metrics and the last
// metrics over OTLP say of it is the same, to the unit.
func TestAMisbehavingCollectorLeavesAnAccountThatAddsUp(t *testing.T) {
	const n, command = 3000, "kt-misbehave"
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		for name, test := range mistreatments(t, protocol) {
			t.Run(protocol[:4]+" "+name, func(t *testing.T) {
				t.Parallel()
				ns, collector := newPlace(t), &witness{answer: test.answer, cut: test.cut}
				port, stop := collector.startIn(t, ns, protocol, 0)
				t.Cleanup(stop)
				kerntap := ns.start(t, watching(command, protocol, "127.0.0.1", port), "--programs", "connection",
					"--metric-interval", "500ms", "--throttle-row", "off", "--throttle-program", "off")
				ns.StartHelper(t, command, "dialPaced", strconv.Itoa(n), "1000").End(t)
				bpftest.Until(t, "all are counted", func() bool { return connectionsCounted(t, ns.api, command) == n })
				collector.checkEnd(t, ns, kerntap, n, test.cause)
			})
		}
	}
}

// watching is the environment of a kerntap that tells a collector of one command: the collector's own end of their
// connection is another command's.
func watching(command, protocol, host string, port int) []string {
	return otlpTo(protocol, fmt.Sprintf("http://%s:%d", host, port), "KERNTAP_FILTER_COMMANDS="+command)
}

// checkEnd stops kerntap and fails unless all says the same of n records, of which some were lost if there is a cause.
func (w *witness) checkEnd(t *testing.T, ns *place, kerntap *isolated, n uint64, cause string) {
	t.Helper()
	account := checkAccount(t, ns.api)
	kerntap.stop(t)
	w.mu.Lock()
	defer w.mu.Unlock()
	exported := account[fact{"exporter_records", "", "exported", ""}]
	failed := account[fact{"exporter_records", "", "failed", cause}]
	if exported != uint64(w.taken) || exported+failed != n || (failed > 0) != (cause != "") {
		t.Errorf("%d of %d records were taken: %v", w.taken, n, account)
	}
	if w.cut != 0 {
		t.Errorf("%d connections were to end in the middle and did not", w.cut)
	}
	if !maps.Equal(w.told.steady(), account.steady()) {
		t.Errorf("over OTLP it says %v, /health said %v", w.told, account)
	}
}
