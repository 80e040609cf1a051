package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
)

func inState(name string, state bpf.State) bpf.Status { return bpf.Status{Name: name, State: state} }

func TestHealthAndReadiness(t *testing.T) {
	running := runningProgram("connection")
	failed := failedProgram("packet_drop", "load object: operation not permitted")
	for _, test := range []struct {
		name     string
		programs []bpf.Status
		health   string
		// unready is the reason of a 503, and "" where kerntap is ready.
		unready string
	}{
		{"all run", []bpf.Status{running, running}, "healthy", ""},
		{"one failed", []bpf.Status{running, failed}, "degraded", ""},
		{"all failed", []bpf.Status{failed, failed}, "degraded", "no program is running: " +
			"packet_drop: load object: operation not permitted; packet_drop: load object: operation not permitted"},
		{"one not loaded", []bpf.Status{running, inState("a", bpf.New)}, "degraded", "program a is new, not running"},
		{"one loaded", []bpf.Status{inState("a", bpf.Loaded), running}, "degraded", "program a is loaded, not running"},
		{"one attached", []bpf.Status{failed, inState("a", bpf.Attached)}, "degraded",
			"program a is attached, not running"},
		{"one stopped", []bpf.Status{running, inState("a", bpf.Stopped)}, "degraded", "program a is stopped, not running"},
		{"none", nil, "degraded", "no program is enabled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			options := fakeOptions()
			options.Programs = func() []bpf.Status { return test.programs }
			handler := New(options).Handler()
			if got := healthStatus(t, handler); got != test.health {
				t.Errorf("health is %q, want %q", got, test.health)
			}
			ready := exchange{"GET", "/readyz", "", http.StatusOK, `{"status":"ready"}`}
			if test.unready != "" {
				ready.status, ready.want = http.StatusServiceUnavailable, test.unready
			}
			ready.check(t, handler)
			exchange{"GET", "/livez", "", http.StatusOK, `{"status":"alive"}`}.check(t, handler)
		})
	}
}

func healthStatus(t *testing.T, handler http.Handler) string {
	t.Helper()
	answer := ask(handler, "GET", "/health", "")
	if answer.Code != http.StatusOK {
		t.Errorf("/health: status %d, want 200 whatever the health", answer.Code)
	}
	var health struct{ Status string }
	if err := json.Unmarshal(answer.Body.Bytes(), &health); err != nil {
		t.Fatal(err)
	}
	return health.Status
}

func TestExporterDegradesHealthButNotReadiness(t *testing.T) {
	options := fakeOptions()
	options.Exporter = func() ExporterStatus {
		return ExporterStatus{Name: "otlp", Reason: "connection refused", Emitted: 9, Dropped: 4, Failed: 5}
	}
	options.Programs = func() []bpf.Status { return []bpf.Status{failedProgram("a", "no BTF"), runningProgram("b")} }
	handler := New(options).Handler()
	exchange{"GET", "/readyz", "", http.StatusOK, `{"status":"ready"}`}.check(t, handler)

	options.Programs = func() []bpf.Status { return []bpf.Status{failedProgram("a", "no BTF")} }
	exchange{"GET", "/health", "", http.StatusOK, `{"status":"degraded","service":"kerntap","version":"v0.1.0",
		"programs":[{"name":"a","state":"failed","reason":"no BTF","hooks":[],"map_bytes":0,"counters":{"seen":0,
			"recorded":0,"throttled":0,"counted":0,"filtered":0,"lost":0,"missed":0,"tallied":0,"tallies_lost":0,
			"unattributed":0,"overflowed":0,"spilled":0,"unowned":0,"ledger_rows":0,"undecodable":0,"dropped":0,"delivered":0}}],
		"exporter":{"name":"otlp","healthy":false,"reason":"connection refused",
			"emitted":9,"exported":0,"dropped":4,"failed":5}}`}.check(t, New(options).Handler())

	options.Programs = fakeOptions().Programs
	if got := healthStatus(t, New(options).Handler()); got != "degraded" {
		t.Errorf("health with an ill exporter is %q, want degraded", got)
	}
	options.Exporter = nil
	if got := healthStatus(t, New(options).Handler()); got != "healthy" {
		t.Errorf("health without an exporter is %q, want healthy", got)
	}
}

func TestHealthNamesReductions(t *testing.T) {
	options := fakeOptions()
	options.Exporter = nil
	reduced := bpf.Status{Name: "a", State: bpf.Running, Reductions: []bpf.Reduction{
		{Name: "first", Loses: "this", Reason: "no such thing"},
		{Name: "second", Loses: "that", Reason: "not allowed", Remedy: "allow it"}}}
	options.Programs = func() []bpf.Status { return []bpf.Status{reduced} }
	var health struct {
		Status   string
		Programs []struct{ Reductions []map[string]string }
	}
	if err := json.Unmarshal(ask(New(options).Handler(), "GET", "/health", "").Body.Bytes(), &health); err != nil {
		t.Fatal(err)
	}
	want := []map[string]string{{"name": "first", "loses": "this", "reason": "no such thing"},
		{"name": "second", "loses": "that", "reason": "not allowed", "remedy": "allow it"}}
	if got := health.Programs[0].Reductions; health.Status != "healthy" || !reflect.DeepEqual(got, want) {
		t.Errorf("%s with %v, want healthy with %v: what a kernel does not give is no illness", health.Status, got, want)
	}
}

func TestHealthTellsOfEachDestination(t *testing.T) {
	options := fakeOptions()
	options.Programs = func() []bpf.Status { return nil }
	options.Exporter = func() ExporterStatus {
		return ExporterStatus{Name: "two", Destinations: []Destination{
			{Name: "console text", Logs: &LogExports{Emitted: 3, Exported: 3}},
			{Name: "otlp grpc c:1", Waiting: true,
				Logs: &LogExports{Emitted: 10, Exported: 1, Queued: 2, Dropped: map[string]uint64{"queue_full": 3},
					Failed: map[string]uint64{"unavailable": 4}},
				Metrics: &MetricExports{Exported: 5, Failed: map[string]uint64{"unimplemented": 6}, Failing: "unimplemented"}},
		}}
	}
	exchange{"GET", "/health", "", http.StatusOK, `{"status":"degraded","service":"kerntap","version":"v0.1.0","programs":[],
		"exporter":{"name":"two","healthy":false,"emitted":0,"exported":0,"dropped":0,"failed":0,"destinations":[
			{"name":"console text","waiting":false,"logs":{"emitted":3,"exported":3,"queued":0}},
			{"name":"otlp grpc c:1","waiting":true,
				"logs":{"emitted":10,"exported":1,"queued":2,"dropped":{"queue_full":3},"failed":{"unavailable":4}},
				"metrics":{"exported":5,"failed":{"unimplemented":6},"failing":"unimplemented"}}]}}`}.check(t, New(options).Handler())
}

func TestProbeServesNothingElse(t *testing.T) {
	probe := New(fakeOptions()).Probe()
	for path, status := range map[string]int{
		"/livez": 200, "/readyz": 200, "/metrics": 200,
		"/": 404, "/health": 404, "/api/programs": 404, "/api/events": 404,
		"/api/list-connections": 404, "/api/list-packet-drops": 404,
	} {
		if got := ask(probe, "GET", path, "").Code; got != status {
			t.Errorf("GET %s: status %d, want %d", path, got, status)
		}
	}
}

func TestMetricsAreServedWhereThereAreAny(t *testing.T) {
	options := fakeOptions()
	answer := ask(New(options).Handler(), "GET", "/metrics", "")
	if answer.Code != http.StatusOK || answer.Body.String() != "up 1\n" {
		t.Errorf("answered %d %q, want the metrics", answer.Code, answer.Body)
	}
	options.Metrics = nil
	none := New(options)
	for _, handler := range []http.Handler{none.Handler(), none.Probe()} {
		exchange{"GET", "/metrics", "", http.StatusNotFound, errorPath}.check(t, handler)
	}
}
