package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func load(t *testing.T, yaml string) Config {
	t.Helper()
	inFolder(t, yaml)
	c, err := Load(Source{Known: known(), File: "kerntap.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Each option that is changed while kerntap runs is in force afterwards, or is named and as it was.
func TestWhatIsWantedIsInForceOrNamed(t *testing.T) {
	for yaml, restart := range map[string]string{
		"throttle: {row: 9, program: 8, first: off}": "", "scope: netns": "", "filters: {commands: [a], ports: [1], networks: ['::1'], loopback: false}": "", "metric_interval: 11s": "", "log_level: debug": "",
		"otlp: {endpoint: 'c:1', headers: {a: b}, timeout: 3s, compression: gzip, logs: {delay: 2s, batch: 7, export_timeout: 9s}}": "",
		"programs: {connection: {records: [opened]}}": "",
		"listen: 'localhost:1'":                       "listen", "probe_listen: 'localhost:1'": "probe_listen", "console: json": "console",
		"service_name: other": "service_name", "resource_attributes: {a: b}": "resource_attributes",
		"ledger: {interval: 2s}": "ledger.interval", "ledger: {memory: 64MiB}": "ledger.memory",
		"metrics: {attributes: [container.id]}": "metrics.attributes", "storage: {records: 500}": "storage.records",
		"storage: {retention: 2h}": "storage.retention", "sync_failures: syscalls": "sync_failures", "workload_service_names: true": "workload_service_names", "otlp: {logs: {queue: 100}}": "otlp.logs.queue",
		"otlp: {metrics: {temporality: delta}}":                             "otlp.metrics.temporality",
		"otlp: {metrics: {histograms: base2_exponential_bucket_histogram}}": "otlp.metrics.histograms",
		"otlp: {logs: {exporter: none}}":                                    "otlp (which signals are sent)",
		"programs: {connection: {enabled: false}}":                          "programs.connection.enabled",
		"{throttle: {row: 9}, listen: 'localhost:1'}":                       "listen",
	} {
		is, wanted := Default(known()...), load(t, yaml)
		asked := wanted
		next, got := is.Adopt(wanted)
		if strings.Join(got, ",") != restart {
			t.Errorf("%s: %v take a restart, want %s", yaml, got, restart)
		}
		if err := next.Validate(); err != nil {
			t.Errorf("%s: %v", yaml, err)
		}
		if restart == "" && !reflect.DeepEqual(next, asked) {
			t.Errorf("%s is not in force:\n%+v", yaml, next)
		}
		if restart != "" && next.Listen != is.Listen {
			t.Errorf("%s: %+v", yaml, next)
		}
	}
}

// An option that is added later is decided on: whoever adds it says here whether it changes while kerntap runs.
func TestEveryOptionIsInForceOrTakesARestart(t *testing.T) {
	lives := []string{"metric_interval", "log_level", "throttle.row", "throttle.program", "throttle.first", "scope", "filters.commands",
		"filters.ports", "filters.networks", "filters.loopback", programsKey}
	takesRestart := []string{"listen", "probe_listen", "console", "service_name", "resource_attributes", "ledger.interval",
		"ledger.memory", "metrics.attributes", "storage.records", "storage.retention", "sync_failures", "workload_service_names", "otlp.logs.queue",
		"otlp.metrics.temporality", "otlp.metrics.histograms", "otlp.logs.exporter", "otlp.metrics.exporter"}
	for _, option := range options() {
		key := option.Key
		lives := slices.Contains(lives, key) || strings.HasPrefix(key, "otlp.") && !slices.Contains(takesRestart, key)
		if key != "" && lives == slices.Contains(takesRestart, key) {
			t.Errorf("it is not said whether %s changes while kerntap runs", key)
		}
	}
}

func TestSettingsOfAProgramAreCompared(t *testing.T) {
	one := load(t, "programs: {connection: {records: [opened, failed]}}").Programs["connection"]
	same := load(t, "programs:\n  connection:\n    enabled: false\n    records: [opened, failed]").Programs["connection"]
	other := load(t, "programs: {connection: {records: [opened]}}").Programs["connection"]
	if !one.SaysTheSame(same) || one.SaysTheSame(other) || one.SaysTheSame(Program{}) || !(Program{}).SaysTheSame(Program{}) {
		t.Error("settings are compared wrongly")
	}
	certified := OTLP{Logs: Transport{Certificate: "a"}}
	if certified.SaysTheSame(OTLP{}) || !certified.HasCertificates() || defaultOTLP().HasCertificates() {
		t.Error("ways to collectors are compared wrongly")
	}
	if (&Source{}).HasFile() || !(Source{Environ: []string{"KERNTAP_CONFIG=a"}}).HasFile() {
		t.Error("it is not known whether there is a file")
	}
}
