package config

import (
	"maps"
	"reflect"
	"testing"
	"time"
)

func known() []string { return []string{"connection", "packet_drop"} }

// precedence is one option set in every way it has: what it is then, and how each layer spells it.
type precedence struct {
	get                                    func(Config) any
	none, file, standard, own, flag        any
	yaml, flagName, flagText               string
	standardName, standardText, ownN, ownT string
}

func precedences() map[string]precedence {
	const listen, probe = "127.0.0.1:4319", ""
	all := map[string]precedence{
		"listen": {
			get:  func(c Config) any { return c.Listen },
			none: listen, file: "0.0.0.0:1", own: "[::1]:2", flag: "",
			yaml: "listen: 0.0.0.0:1", ownN: "KERNTAP_LISTEN", ownT: "[::1]:2", flagName: "listen", flagText: "off",
		},
		"probe_listen": {
			get:  func(c Config) any { return c.ProbeListen },
			none: probe, file: ":1", own: "unix:///run/k.sock", flag: "localhost:0",
			yaml: "probe_listen: :1", ownN: "KERNTAP_PROBE_LISTEN", ownT: "unix:///run/k.sock",
			flagName: "probe-listen", flagText: "localhost:0",
		},
		"console": {
			get:  func(c Config) any { return c.Console },
			none: "", file: "json", own: "", flag: "text",
			yaml: "console: json", ownN: "KERNTAP_CONSOLE", ownT: "none", flagName: "console", flagText: "text",
		},
		"scope": {
			get:  func(c Config) any { return c.Scope },
			none: "host", file: "netns", own: "host", flag: "netns",
			yaml: "scope: netns", ownN: "KERNTAP_SCOPE", ownT: "host", flagName: "scope", flagText: "netns",
		},
		"sync_failures": {
			get:  func(c Config) any { return c.SyncFailures },
			none: "auto", file: "syscalls", own: "off", flag: "auto",
			yaml: "sync_failures: syscalls", ownN: "KERNTAP_SYNC_FAILURES", ownT: "off", flagName: "sync-failures", flagText: "auto",
		},
		"workload_service_names": {
			get:  func(c Config) any { return c.ServiceNames },
			none: false, file: true, own: false, flag: true,
			yaml: "workload_service_names: true", ownN: "KERNTAP_WORKLOAD_SERVICE_NAMES", ownT: "false",
			flagName: "workload-service-names", flagText: "true",
		},
		"metric_interval": {
			get:  func(c Config) any { return c.MetricInterval },
			none: 10 * time.Second, file: time.Hour, standard: 1500 * time.Millisecond, own: time.Minute,
			flag: 100 * time.Millisecond,
			yaml: "metric_interval: 1h", standardName: "OTEL_METRIC_EXPORT_INTERVAL", standardText: "1500",
			ownN: "KERNTAP_METRIC_INTERVAL", ownT: "1m", flagName: "metric-interval", flagText: "100ms",
		},
		"log_level": {
			get:  func(c Config) any { return c.LogLevel },
			none: "info", file: "debug", own: "warn", flag: "error",
			yaml: "log_level: debug", ownN: "KERNTAP_LOG_LEVEL", ownT: "warn", flagName: "log-level", flagText: "error",
		},
		"service_name": {
			get:  func(c Config) any { return c.ServiceName },
			none: "kerntap", file: "filed", standard: "standard",
			yaml: "service_name: filed", standardName: "OTEL_SERVICE_NAME", standardText: "standard",
		},
		"resource_attributes": {
			get:  func(c Config) any { return c.ResourceAttributes },
			none: map[string]string{}, file: map[string]string{"a": "1", "b": "2"},
			standard: map[string]string{"a": "1", "b": "3", "c": "x,y"},
			yaml:     "resource_attributes:\n  a: 1\n  b: 2", standardName: "OTEL_RESOURCE_ATTRIBUTES",
			standardText: "b=3, c=x%2Cy,",
		},
		"disabled": {
			get:  func(c Config) any { return c.Disabled },
			none: false, file: false, standard: true, standardName: "OTEL_SDK_DISABLED", standardText: "TRUE",
		},
		"throttle.row": {
			get:  func(c Config) any { return c.Throttle.Row },
			none: uint32(5), file: uint32(0), own: uint32(7), flag: uint32(1000000),
			yaml: "throttle: {row: off}", ownN: "KERNTAP_THROTTLE_ROW", ownT: "7", flagName: "throttle-row", flagText: "1000000",
		},
		"throttle.program": {
			get:  func(c Config) any { return c.Throttle.Program },
			none: uint32(100), file: uint32(9), own: uint32(0), flag: uint32(1),
			yaml: "throttle: {program: 9}", ownN: "KERNTAP_THROTTLE_PROGRAM", ownT: "off", flagName: "throttle-program", flagText: "1",
		},
		"throttle.first": {
			get:  func(c Config) any { return c.Throttle.First },
			none: uint32(200), file: uint32(9), own: uint32(8), flag: uint32(0),
			yaml: "throttle: {first: 9}", ownN: "KERNTAP_THROTTLE_FIRST", ownT: "8", flagName: "throttle-first", flagText: "off",
		},
		"filters.commands": {
			get:  func(c Config) any { return c.Filters.Commands.String() },
			none: "", file: "a,!b c", own: "d", flag: "e",
			yaml: "filters: {commands: ['!b c', a]}", ownN: "KERNTAP_FILTER_COMMANDS", ownT: "d",
			flagName: "filter-commands", flagText: " e,",
		},
		"filters.ports": {
			get:  func(c Config) any { return c.Filters.Ports.String() },
			none: "", file: "80,443", own: "!22", flag: "1-65535,!7",
			yaml: "filters: {ports: [80, 443]}", ownN: "KERNTAP_FILTER_PORTS", ownT: "!22",
			flagName: "filter-ports", flagText: "!7,1-65535",
		},
		"filters.networks": {
			get:  func(c Config) any { return c.Filters.Networks.String() },
			none: "", file: "10.0.0.0/8,!10.1.2.3/32", own: "::/0", flag: "192.0.2.1/32",
			yaml: "filters: {networks: [10.0.0.0/8, '!10.1.2.3']}", ownN: "KERNTAP_FILTER_NETWORKS", ownT: "::/0",
			flagName: "filter-networks", flagText: "::ffff:192.0.2.1",
		},
		"filters.loopback": {
			get:  func(c Config) any { return c.Filters.WithoutLoopback },
			none: false, file: true, own: false, flag: true,
			yaml: "filters: {loopback: false}", ownN: "KERNTAP_FILTER_LOOPBACK", ownT: "true",
			flagName: "filter-loopback", flagText: "false",
		},
		"ledger.interval": {
			get:  func(c Config) any { return c.Ledger.Interval },
			none: time.Second, file: 100 * time.Millisecond, own: time.Minute,
			yaml: "ledger: {interval: 100ms}", ownN: "KERNTAP_LEDGER_INTERVAL", ownT: "1m",
		},
		"ledger.memory": {
			get:  func(c Config) any { return c.Ledger.Memory },
			none: uint64(32 << 20), file: uint64(8 << 20), own: uint64(1 << 30),
			yaml: "ledger: {memory: 8MiB}", ownN: "KERNTAP_LEDGER_MEMORY", ownT: "1GiB",
		},
		"metrics.attributes": {
			get:  func(c Config) any { return c.MetricAttributes },
			none: []string(nil), file: []string{"container.id", "server.port"}, own: []string{"k8s.pod.uid"},
			yaml: "metrics:\n  attributes: [container.id, server.port]", ownN: "KERNTAP_METRICS_ATTRIBUTES", ownT: "k8s.pod.uid,",
		},
		"storage.records": {
			get:  func(c Config) any { return c.Storage.Records },
			none: 10000, file: 100, yaml: "storage:\n  records: 100",
		},
		"storage.retention": {
			get:  func(c Config) any { return c.Storage.Retention },
			none: time.Hour, file: 24 * time.Hour, yaml: "storage: {retention: 24h}",
		},
		"programs": {
			get:  func(c Config) any { return c.Enabled() },
			none: known(), file: []string{"packet_drop"}, own: []string{"connection"}, flag: known(),
			yaml: "programs:\n  connection:\n    enabled: false", ownN: "KERNTAP_PROGRAMS", ownT: "connection,",
			flagName: "programs", flagText: "packet_drop, connection",
		},
	}
	maps.Copy(all, sendingPrecedences())
	return all
}

func TestFlagsWinOverEnvironmentOverFileOverDefaults(t *testing.T) {
	for name, p := range precedences() {
		t.Run(name, func(t *testing.T) {
			inFolder(t, p.yaml+"\n# the end\n")
			source := Source{Known: known(), Flags: map[string]string{}}
			check := func(layer string, want any) {
				t.Helper()
				c, err := Load(source)
				if err != nil {
					t.Fatalf("%s: %v", layer, err)
				}
				if got := p.get(c); !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %v, want %v", layer, got, want)
				}
			}
			check("defaults", p.none)
			source.File = "kerntap.yaml"
			check("file", p.file)
			if p.standardName != "" {
				source.Environ = append(source.Environ, p.standardName+"="+p.standardText)
				check("OpenTelemetry's environment", p.standard)
			}
			if p.ownN != "" {
				source.Environ = append(source.Environ, p.ownN+"="+p.ownT)
				check("environment", p.own)
			}
			if p.flagName != "" {
				source.Flags[p.flagName] = p.flagText
				check("flags", p.flag)
			}
		})
	}
}

func TestEveryOptionHasAPrecedenceTest(t *testing.T) {
	tested := precedences()
	for _, option := range Options() {
		p, found := tested[option.Key]
		if option.Key == "" {
			p, found = tested["disabled"], option.OTelEnv == "OTEL_SDK_DISABLED" || option.Flag == "config"
		}
		if option.Flag == "config" {
			continue
		}
		if !found || p.flagName != option.Flag || p.ownN != option.Env || p.standardName != option.OTelEnv {
			t.Errorf("%s is not tested in every way it can be set", option.name())
		}
	}
}
