package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// reloaded is a kerntap with a configuration file that a test rewrites.
type reloaded struct {
	*running
	file, api string
	hangup    chan os.Signal
	said      *diagnostics
}

func startReloadable(t *testing.T, yaml string) *reloaded {
	t.Helper()
	r := &reloaded{
		file: filepath.Join(t.TempDir(), "kerntap.yaml"), api: bpftest.FreeAddress(t), hangup: make(chan os.Signal), said: new(diagnostics),
	}
	r.write(t, yaml)
	r.running = startKerntapIn(t, environment{stderr: r.said, hangup: r.hangup}, "--config", r.file, "--listen", r.api)
	awaitReady(t, r.api)
	return r
}

func (r *reloaded) write(t *testing.T, yaml string) {
	t.Helper()
	if err := os.WriteFile(r.file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reload rewrites the file, sends the signal and returns when kerntap has said what it makes of it.
func (r *reloaded) reload(t *testing.T, yaml string) {
	t.Helper()
	r.write(t, yaml)
	said := func() int { return strings.Count(r.said.String(), "the new configuration is") }
	before := said()
	r.hangup <- syscall.SIGHUP
	bpftest.Until(t, "kerntap has read its file again", func() bool { return said() > before })
}

// counted is how many connections of a command /metrics tells.
func (r *reloaded) counted(t *testing.T, command string) float64 {
	t.Helper()
	return scraped(t, r.api, "kerntap_tcp_connections_total{", `kerntap_command="`+command+`"`)
}

// endDialing has dialOn end, and returns how often it has connected.
func endDialing(t *testing.T, caller *bpftest.Process) int {
	t.Helper()
	caller.CloseInput()
	n, err := strconv.Atoi(caller.Line(t))
	if err != nil {
		t.Fatal(err)
	}
	caller.End(t)
	return n
}

// While connections are made all the time, until after the last reload, the way to the collector, the throttle and the
// wanted records change a hundred times. Hooks that were off for a moment would have missed some.
func TestReloadsLoseNoCount(t *testing.T) {
	const reloads = 100
	ns := bpftest.NewNamespace(t)
	first, second := newOtelcol(t), newOtelcol(t)
	first.start(t)
	second.start(t)
	file := func(i int) string {
		to := []*otelcol{first, second}[i%2]
		return fmt.Sprintf("otlp: {endpoint: '%s'}\nmetric_interval: %dms\nthrottle: {row: %d}\nscope: host\n"+
			"programs: {connection: {records: [%s]}}\n", to.grpc, 200+i%7*100, 1+i%5, []string{"failed", "closed, failed"}[i%2])
	}
	r := startReloadable(t, file(0))
	caller := ns.StartHelper(t, "kt-reload", "dialOn", "127.0.0.1:1")
	for i := range reloads {
		before := r.counted(t, "kt-reload")
		r.reload(t, file(i+1))
		if i%10 == 9 {
			bpftest.Until(t, "connections follow the reload", func() bool { return r.counted(t, "kt-reload") > before })
		}
	}
	r.said.check(t, map[string]int{"the new configuration is in force": reloads, "level=WARN": 0, "level=ERROR": 0})
	r.said.take()
	r.reload(t, file(0)+"log_level: debug\n"+"service_name: 'yes'\n"+"storage: {records: 99}\n")
	r.reload(t, strings.Replace(file(0), "otlp: {", "otlp: {certificate: /nowhere.pem, insecure: false, ", 1))
	r.said.check(t, map[string]int{"refused": 2, "open /nowhere.pem: no such file": 1, "between 100 and 1000000": 1})
	n := endDialing(t, caller)
	bpftest.Until(t, "all connections are counted", func() bool { return r.counted(t, "kt-reload") >= float64(n) })
	if got := r.counted(t, "kt-reload"); got != float64(n) {
		t.Errorf("%g connections are counted, want %d", got, n)
	}
	for _, destination := range exporterHealth(t, r.api).Destinations {
		if destination.Logs.Emitted == 0 || len(destination.Logs.Failed)+len(destination.Logs.Dropped) > 0 {
			t.Errorf("log records: %+v", destination.Logs)
		}
	}
	r.stop()
	first.stop(t)
	second.stop(t)
	if got := max(connectionsIn(t, first.file, "kt-reload"), connectionsIn(t, second.file, "kt-reload")); got != int64(n) {
		t.Errorf("the collectors were told of %d connections, want %d", got, n)
	}
}

func TestABadFileIsRefusedAndTheOldOneStays(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	r := startReloadable(t, "console: json\nmetric_interval: 1h\nthrottle: {row: 2, first: 1}\n")
	r.said.take()
	bad := map[string]string{
		"throttle: {row: off, program: many}":        `throttle.program: \"many\" is not a whole number`,
		"thottle: {row: 1}":                          `unknown key \"thottle\"`,
		"programs: {packet_drop: {records: [lost]}}": `\"lost\" is not one of`,
		"programs: {connection: {recrods: []}}":      "programs.connection.recrods",
		"\tconsole: json":                            "a tab indents this line",
		"console: json\n---\nconsole: text":          "a second document",
		"programs: {dns: {}}":                        `no program \"dns\"`,
		"":                                           "is empty",
	}
	for yaml, want := range bad {
		r.reload(t, yaml)
		refused := r.said.take()
		if strings.Count(refused, "\n") != 1 || !strings.Contains(refused, want) || !strings.Contains(refused, "is refused") {
			t.Errorf("%s: %s\nwant one line with %s", yaml, refused, want)
		}
	}
	// What was wrong in the file has not changed what is right in it.
	ns.StartHelper(t, "kt-refused", "dialMany", "127.0.0.1:1", "50").End(t)
	bpftest.Until(t, "all are counted", func() bool { return r.counted(t, "kt-refused") == 50 })
	rest := r.stop()
	if got := strings.Count(rest, "tcp.connection.failed"); got == 0 || got > 25 {
		t.Errorf("%d records: the throttle of the first file is not in force any more", got)
	}
}

func TestWhatTakesARestartIsNamed(t *testing.T) {
	r := startReloadable(t, "console: json\nmetric_interval: 1h\n")
	r.reload(t, "console: text\nlisten: localhost:1\nledger: {memory: 64MiB}\nlog_level: debug\n"+
		"programs: {packet_drop: {enabled: false}}\n")
	bpftest.Until(t, "it says what takes a restart", func() bool {
		return strings.Contains(r.said.String(), "some of it takes a restart")
	})
	r.said.check(t, map[string]int{`keys="console, ledger.memory, programs.packet_drop.enabled"`: 1, "level=WARN": 1})
	var health struct {
		Programs []struct{ Name, State string }
	}
	call(t, http.MethodGet, "http://"+r.api+"/health", "", &health)
	http.DefaultClient.CloseIdleConnections()
	if len(health.Programs) < 2 {
		t.Errorf("programs %+v", health.Programs)
	}
	for _, program := range health.Programs {
		if program.State != "running" {
			t.Errorf("%s is %s", program.Name, program.State)
		}
	}
	r.stop()
}
