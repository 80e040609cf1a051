package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const wrote = `{"resourceLogs":[{"resource":{},"scopeLogs":[{"logRecords":[
{"timeUnixNano":"2000000000","severityText":"WARN","eventName":"kerntap.tcp.connection.failed","body":{"stringValue":"shop[7] could not connect"},"attributes":[{"key":"network.peer.address","value":{"stringValue":"192.0.2.1"}},{"key":"kerntap.command","value":{"stringValue":"shop"}},{"key":"error.type","value":{"stringValue":"refused"}},{"key":"process.pid","value":{"intValue":"7"}}]},
{"timeUnixNano":"1000000000","severityText":"INFO","body":{"stringValue":"somebody else"},"attributes":[{"key":"network.peer.address","value":{"stringValue":"127.0.0.1"}}]}]}]}]}
{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"kerntap.tcp.connections","unit":"{connection}","sum":{"dataPoints":[{"attributes":[{"key":"kerntap.command","value":{"stringValue":"shop"}}],"timeUnixNano":"3","asInt":"1"}]}}]}]}]}
{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"kerntap.tcp.connections","unit":"{connection}","sum":{"dataPoints":[{"attributes":[{"key":"kerntap.command","value":{"stringValue":"shop"}}],"timeUnixNano":"4","asInt":"2"},{"attributes":[{"key":"kerntap.command","value":{"stringValue":"other"}}],"timeUnixNano":"4","asInt":"9"}]}},
{"name":"kerntap.tcp.connect.duration","unit":"s","histogram":{"dataPoints":[{"attributes":[{"key":"kerntap.command","value":{"stringValue":"shop"}}],"timeUnixNano":"4","count":"2","sum":0.5}]}}]}]}]}
{"resourceMet`

func tellOf(t *testing.T, text string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "otlp.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err := run([]string{"story", path}, &out)
	return out.String(), err
}

func TestTheStoryTellsTheStageAloneAndEachSeriesAsItStoodLast(t *testing.T) {
	t.Setenv("TZ", "UTC")
	told, err := tellOf(t, wrote)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"WARN  shop[7] could not connect\n",
		"kerntap.tcp.connection.failed  error.type=refused process.pid=7\n",
		"  kerntap.tcp.connections{kerntap.command=shop} 2 {connection}\n",
		"  kerntap.tcp.connect.duration{kerntap.command=shop} 2, together 0.5 s\n",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("the story lacks %q:\n%s", want, told)
		}
	}
	for _, foreign := range []string{"somebody", "other"} {
		if strings.Contains(told, foreign) {
			t.Errorf("the story tells of %q, which is not on the stage:\n%s", foreign, told)
		}
	}
}

func TestAFileWithoutTheStageIsAnError(t *testing.T) {
	if told, err := tellOf(t, "{}\n"); err == nil {
		t.Errorf("told %q", told)
	}
	if told, err := tellOf(t, `{"resourceLogs": 1}`); err == nil || !strings.Contains(err.Error(), "decode a line") {
		t.Errorf("told %q, error %v", told, err)
	}
}

func TestPortsAreFreeAndDiffer(t *testing.T) {
	var out strings.Builder
	if err := run([]string{"ports", "3"}, &out); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, port := range strings.Fields(out.String()) {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Errorf("port %s is taken: %v", port, err)
			continue
		}
		_ = l.Close()
		seen[port] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d different ports, want 3", len(seen))
	}
}
