package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

func TestARefusedConnectShowsUpInTheTerminal(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	r := startKerntap(t, "--console", "text", "--listen", "off", "--metric-interval", "1h")
	r.await("what to try", func(line string) bool { return strings.Contains(line, "curl 127.0.0.1:1") })
	caller := ns.StartHelper(t, "kt-terminal", "dial", "127.0.0.1:1")
	caller.End(t)
	who := "kt-terminal[" + strconv.Itoa(int(caller.PID)) + "]"
	line := r.await("the refused connect", func(line string) bool { return strings.Contains(line, who) })
	for _, want := range []string{"WARN", "tcp.connection.failed", "could not connect to 127.0.0.1:1: connection refused"} {
		if !strings.Contains(line, want) {
			t.Errorf("line lacks %q: %s", want, line)
		}
	}
	if rest := r.stop(); !strings.Contains(rest, "refused") {
		t.Errorf("the last summary does not count it:\n%s", rest)
	}
}

// otlpLine is the part of an OTLP/JSON request that the tests read.
type otlpLine struct {
	ResourceLogs []struct {
		ScopeLogs []struct {
			LogRecords []struct {
				EventName      string `json:"eventName"`
				SeverityNumber int    `json:"severityNumber"`
				Attributes     []struct {
					Key   string `json:"key"`
					Value struct {
						StringValue string `json:"stringValue"`
						IntValue    string `json:"intValue"`
					} `json:"value"`
				} `json:"attributes"`
			} `json:"logRecords"`
		} `json:"scopeLogs"`
	} `json:"resourceLogs"`
	ResourceMetrics json.RawMessage `json:"resourceMetrics"`
}

func TestOTLPOnStandardOutput(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	address := bpftest.FreeAddress(t)
	r := startKerntap(t, "--console", "json", "--listen", address, "--metric-interval", "1h")
	awaitReady(t, address)
	ns.StartHelper(t, "kt-json", "dial", "[::1]:1").End(t)
	line := r.await("the record", func(line string) bool {
		return strings.Contains(line, `"kt-json"`) && strings.Contains(line, "resourceLogs")
	})
	found := false
	for _, record := range records(t, line) {
		if record["kerntap.command"] != "kt-json" {
			continue
		}
		found = true
		for key, want := range map[string]string{
			"event": "kerntap.tcp.connection.failed", "network.peer.address": "::1", "network.peer.port": "1",
			"error.type": "refused", "network.type": "ipv6", "network.transport": "tcp", "kerntap.tcp.role": "client",
		} {
			if record[key] != want {
				t.Errorf("%s is %q, want %q", key, record[key], want)
			}
		}
	}
	if !found {
		t.Errorf("no record of the command in %s", line)
	}
	rest := r.stop()
	if !strings.Contains(rest, "kerntap.tcp.connections") || !strings.Contains(rest, "kt-json") {
		t.Errorf("the metrics were not flushed at the end: %s", rest)
	}
	for line := range strings.Lines(rest) {
		if err := json.Unmarshal([]byte(line), &otlpLine{}); err != nil {
			t.Errorf("%v in %s", err, line)
		}
	}
}

// records flattens the log records of one line: the event's name and its attributes.
func records(t *testing.T, line string) []map[string]string {
	t.Helper()
	var request otlpLine
	if err := json.Unmarshal([]byte(line), &request); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	var all []map[string]string
	for _, resource := range request.ResourceLogs {
		for _, scope := range resource.ScopeLogs {
			for _, record := range scope.LogRecords {
				flat := map[string]string{"event": record.EventName}
				for _, a := range record.Attributes {
					flat[a.Key] = a.Value.StringValue + a.Value.IntValue
				}
				all = append(all, flat)
			}
		}
	}
	return all
}

func TestTheLocalAPIAnswersFromTheChain(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	address := bpftest.FreeAddress(t)
	r := startKerntap(t, "--console", "text", "--listen", address, "--metric-interval", "1h")
	r.await("what to try", func(line string) bool { return strings.Contains(line, "curl 127.0.0.1:1") })
	ns.StartHelper(t, "kt-api", "dial", "127.0.0.1:1", "127.0.0.1:2").End(t)
	r.await("the refused connect", func(line string) bool { return strings.Contains(line, "127.0.0.1:2: connection refused") })

	if code, _, stderr := invoke(t, "ready", "--listen", address); code != 0 {
		t.Errorf("kerntap ready: %d, %s", code, stderr)
	}
	var summary struct {
		Total      int     `json:"total_attempts"`
		Message    string  `json:"message"`
		Resolution float64 `json:"resolution_seconds"`
	}
	bpftest.Until(t, "the counts are drained", func() bool {
		call(t, http.MethodPost, "http://"+address+"/api/connection-summary", `{"command":"KT-API","duration":60}`, &summary)
		return summary.Total > 0
	})
	if summary.Total != 2 || summary.Resolution < 1 || summary.Resolution > 3 || summary.Message != "Found 2 connection attempts from command 'KT-API' over 60 seconds" {
		t.Errorf("summary is %+v", summary)
	}
	var health struct {
		Status string `json:"status"`
	}
	call(t, http.MethodGet, "http://"+address+"/health", "", &health)
	if health.Status != "healthy" {
		t.Errorf("health is %+v", health)
	}
	http.DefaultClient.CloseIdleConnections()
	if rest := r.stop(); strings.Contains(rest, address) {
		t.Errorf("kerntap reports its own traffic:\n%s", rest)
	}
	if code, _, stderr := invoke(t, "ready", "--listen", address); code != exitFailed || strings.Count(stderr, "\n") != 1 {
		t.Errorf("kerntap ready after the end: %d, %q", code, stderr)
	}
}

// A sidecar sees its own network namespace alone: nothing of a connection in another one.
func TestScopeNetNSLeavesOutOtherNamespaces(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	address := bpftest.FreeAddress(t)
	r := startKerntap(t, "--console", "text", "--scope", "netns", "--listen", address, "--metric-interval", "1h")
	r.await("its scope", func(line string) bool { return strings.Contains(line, "netns: kerntap's own network namespace") })
	awaitReady(t, address)
	ns.StartHelper(t, "kt-elsewhere", "dial", "127.0.0.1:1").End(t)
	here := exec.Command("/proc/self/exe", "127.0.0.1:1")
	here.Env = append(os.Environ(), "KERNTAP_TEST_HELPER=dial")
	if out, err := here.CombinedOutput(); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	seen := r.await("the connect in its own namespace", func(line string) bool {
		return strings.Contains(line, "tcp.connection.failed") && strings.Contains(line, "127.0.0.1:1: connection refused")
	})
	if strings.Contains(seen, "kt-elsewhere") || strings.Contains(r.stop(), "kt-elsewhere") {
		t.Error("a connection of another namespace was reported")
	}
}
