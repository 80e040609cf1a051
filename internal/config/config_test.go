package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDefaultIsValidAndComplete(t *testing.T) {
	c := Default("connection", "packet_drop")
	if err := c.Validate(); err != nil {
		t.Fatalf("the defaults are not valid: %v", err)
	}
	want := Config{
		Listen: "127.0.0.1:4319", OTLP: defaultOTLP(), Scope: "host", SyncFailures: "auto", MetricInterval: 10 * time.Second, LogLevel: "info",
		ServiceName: "kerntap", ResourceAttributes: map[string]string{},
		Throttle: Throttle{Row: 5, Program: 100, First: 200},
		Ledger:   Ledger{Interval: time.Second, Memory: 32 << 20},
		Storage:  Storage{Records: 10000, Retention: time.Hour},
		Programs: map[string]Program{
			"connection":  {Enabled: true, name: "connection"},
			"packet_drop": {Enabled: true, name: "packet_drop"},
		},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("defaults\n%+v, want\n%+v", c, want)
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Config){
		`listen: "here" is not an address (examples: 127.0.0.1:4319, unix:///run/kerntap.sock, off)`: func(c *Config) {
			c.Listen = "here"
		},
		`console: "xml" is not one of text, json, none`:            func(c *Config) { c.Console = "xml" },
		`metric_interval: "0s" is not between 100ms and 1h`:        func(c *Config) { c.MetricInterval = 0 },
		`log_level: "" is not one of debug, info, warn, error`:     func(c *Config) { c.LogLevel = "" },
		`service_name: the name is empty (example: kerntap)`:       func(c *Config) { c.ServiceName = "" },
		`resource_attributes: "a"="\xff" is not UTF-8`:             func(c *Config) { c.ResourceAttributes["a"] = "\xff" },
		`storage.records: "99" is not between 100 and 1000000`:     func(c *Config) { c.Storage.Records = 99 },
		`storage.retention: "25h" is not between 1m and 24h`:       func(c *Config) { c.Storage.Retention = 25 * time.Hour },
		`no program is enabled: enable at least one of connection`: func(c *Config) { c.Programs["connection"] = Program{} },
		`listen and probe_listen are both "127.0.0.1:4319": give each its own, or leave probe_listen out (the API ` +
			`serves the probes too)`: func(c *Config) { c.ProbeListen = c.Listen },
	} {
		c := Default("connection")
		change(&c)
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

func TestValidateChangesNothing(t *testing.T) {
	c := Default("connection")
	c.ResourceAttributes["deployment.environment.name"] = "a=b, c%d e+f"
	before := Default("connection")
	before.ResourceAttributes["deployment.environment.name"] = "a=b, c%d e+f"
	c.Listen, c.ProbeListen = "127.0.0.1:0", "127.0.0.1:0"
	before.Listen, before.ProbeListen = c.Listen, c.ProbeListen
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, before) {
		t.Errorf("Validate made\n%+v of\n%+v", c, before)
	}
}

func TestOptionsAreATable(t *testing.T) {
	seen := map[string]bool{}
	for _, option := range Options() {
		for _, name := range []string{option.Key, option.Flag, option.Env, option.OTelEnv} {
			if name != "" && seen[name] && name != option.Key {
				t.Errorf("%s stands twice", name)
			}
			seen[name] = true
		}
		if option.Help == "" || strings.HasSuffix(option.Help, ".") {
			t.Errorf("%s has the help %q", option.name(), option.Help)
		}
		wantEnv := "KERNTAP_" + strings.ToUpper(strings.ReplaceAll(option.Flag, "-", "_"))
		if option.Flag != "" && option.Env != wantEnv {
			t.Errorf("--%s goes with %s, want %s", option.Flag, option.Env, wantEnv)
		}
	}
}

func TestOptionsTellTheDefaults(t *testing.T) {
	got := map[string]string{}
	for _, option := range Options() {
		if option.Default != "" {
			got[option.name()] = option.Default
		}
	}
	want := map[string]string{
		"listen": "127.0.0.1:4319", "probe_listen": "off", "console": "none", "metric_interval": "10s",
		"log_level": "info", "service_name": "kerntap", "OTEL_SDK_DISABLED": "false", "storage.records": "10000",
		"storage.retention": "1h", "scope": "host", "sync_failures": "auto", "workload_service_names": "false", "otlp.logs.delay": "1s", "otlp.logs.export_timeout": "5m", "otlp.logs.queue": "100000",
		"otlp.logs.batch": "512", "otlp.metrics.export_timeout": "30s", "otlp.metrics.temporality": "cumulative",
		"otlp.metrics.histograms": "explicit_bucket_histogram", "throttle.row": "5", "throttle.program": "100",
		"throttle.first": "200", "filters.loopback": "true", "ledger.interval": "1s", "ledger.memory": "32MiB",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("defaults %v\nwant %v", got, want)
	}
}

func TestEnabledIsSorted(t *testing.T) {
	c := Default("c", "a", "b")
	c.Programs["b"] = Program{}
	if got := c.Enabled(); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("enabled %v, want [a c]", got)
	}
}
