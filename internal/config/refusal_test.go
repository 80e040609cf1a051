package config

import (
	"os"
	"strings"
	"testing"
)

func TestLoadRefusesInTheFile(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, tc := range []struct{ yaml, want string }{
		{"\n\nlisen: off\n", `kerntap.yaml:3: unknown key "lisen" (did you mean "listen"?)`},
		{"nonsense: 1\n", `kerntap.yaml:1: unknown key "nonsense" (known: "console", "filters", "ledger", "listen", "log_level", ` +
			`"metric_interval", "metrics", "otlp", "probe_listen", "programs", "resource_attributes", "scope", "service_name", "storage", "sync_failures", "throttle", "workload_service_names")`},
		{"sync_failures: always\n", `kerntap.yaml:1: sync_failures: "always" is not one of auto, syscalls, off`},
		{"throttle: {row: 0}\n", `kerntap.yaml:1: throttle.row: "0" is not a whole number from 1 to 1000000, or off (example: 5)`},
		{"throttle: {program: -1}\n",
			`kerntap.yaml:1: throttle.program: "-1" is not a whole number from 1 to 1000000, or off (example: 5)`},
		{"ledger: {interval: 1ms}\n", `kerntap.yaml:1: ledger.interval: "1ms" is not between 100ms and 1m`},
		{"ledger: {memory: 32}\n", `kerntap.yaml:1: ledger.memory: "32" is not a size in MiB or GiB (example: 32MiB)`},
		{"ledger: {memory: 7MiB}\n", `kerntap.yaml:1: ledger.memory: "7MiB" is not between 8MiB and 1024MiB`},
		{"ledger: {memory: 2GiB}\n", `kerntap.yaml:1: ledger.memory: "2GiB" is not between 8MiB and 1024MiB`},
		{"metrics:\n  attributes:\n    - server.port\n    - server.address\n",
			`kerntap.yaml:4: metrics.attributes: "server.address" is not one of container.id, k8s.pod.uid, server.port, ` +
				`network.interface.name, process.executable.name`},
		{"metrics: {attributes: [server.port, server.port]}\n",
			`kerntap.yaml:1: metrics.attributes: server.port is named twice`},
		{"metrics: {attributes: [[server.port]]}\n", `kerntap.yaml:1: metrics.attributes: expected one value, found a list`},
		{"filters:\n  commands: [nginx, kube-state-metrics]\n", `kerntap.yaml:2: filters.commands: "kube-state-metrics" is longer ` +
			`than names of commands are: the kernel cuts them after 15 bytes ("kube-state-metr")`},
		{"filters: {commands: ['!']}\n", `kerntap.yaml:1: filters.commands: there is no name behind the ! (example: !sshd)`},
		{"filters:\n  commands:\n    - !sshd\n",
			`kerntap.yaml:3: filters.commands: "!sshd" is a tag of YAML: put quotes around what begins with !`},
		{"filters: {commands: [" + strings.Repeat("a,", 33) + "]}\n", `kerntap.yaml:1: filters.commands: there are more than 32 entries`},
		{"filters: {ports: [" + strings.Repeat("1,", 65) + "]}\n", `kerntap.yaml:1: filters.ports: there are more than 64 entries`},
		{"filters: {networks: [" + strings.Repeat("'::1',", 33) + "]}\n", `kerntap.yaml:1: filters.networks: there are more than 32 entries`},
		{"filters: {ports: [80, http]}\n", `kerntap.yaml:1: filters.ports: "http" is not a port from 1 to 65535 or a range of ` +
			`them (examples: 443, 8000-8999, !22)`},
		{"filters: {ports: [0]}\n", `kerntap.yaml:1: filters.ports: "0" is not a port from 1 to 65535 or a range of ` +
			`them (examples: 443, 8000-8999, !22)`},
		{"filters: {ports: '90-80'}\n", `kerntap.yaml:1: filters.ports: "90-80" ends before it begins (80-90?)`},
		{"filters: {networks: [10.1.2.3/8]}\n", `kerntap.yaml:1: filters.networks: "10.1.2.3/8" has bits behind its prefix (10.0.0.0/8?)`},
		{"filters: {networks: [fe80::1%lo]}\n", `kerntap.yaml:1: filters.networks: "fe80::1%lo" is not an address or a range of ` +
			`them (examples: 10.0.0.0/8, 2001:db8::/32, !192.0.2.1)`},
		{"filters: {loopback: no way}\n", `kerntap.yaml:1: filters.loopback: "no way" is not one of true, false`},
		{"filters: {port: [80]}\n", `kerntap.yaml:1: unknown key "filters.port" (did you mean "filters.ports"?)`},
		{"storage:\n  recrods: 1\n", `kerntap.yaml:2: unknown key "storage.recrods" (did you mean "storage.records"?)`},
		{"storage.records: 1\n", `kerntap.yaml:1: unknown key "storage.records" (known: "console", ` +
			`"filters", "ledger", "listen", "log_level", "metric_interval", "metrics", "otlp", "probe_listen", "programs", "resource_attributes", ` +
			`"scope", "service_name", "storage", "sync_failures", "throttle", "workload_service_names")`},
		{"config: x\n", `kerntap.yaml:1: unknown key "config" (known: "console", "filters", "ledger", "listen", "log_level", "metric_interval", ` +
			`"metrics", "otlp", "probe_listen", "programs", "resource_attributes", "scope", "service_name", "storage", "sync_failures", "throttle", "workload_service_names")`},
		{"<<: {listen: off}\n", "kerntap.yaml:1: merge keys are not supported"},
		{"listen: off\n\nlisten: off\n", `kerntap.yaml:3: duplicate key "listen" (first on line 1)`},
		{"storage:\n  records: 100\n  records: 100\n",
			`kerntap.yaml:3: duplicate key "storage.records" (first on line 2)`},
		{"? [a]\n: b\n", "kerntap.yaml:1: expected a key, found a list"},
		{"- listen\n", "kerntap.yaml:1: expected keys and values, found a list"},
		{"listen\n", `kerntap.yaml:1: expected keys and values, found "listen"`},
		{"storage: 100\n", `kerntap.yaml:1: storage: expected keys and values, found "100"`},
		{"listen:\n  - off\n", "kerntap.yaml:2: listen: expected one value, found a list"},
		{"log_level: {a: b}\n", "kerntap.yaml:1: log_level: expected one value, found keys and values"},
		{"metric_interval: abc\n", `kerntap.yaml:1: metric_interval: "abc" is not a duration (example: 10s)`},
		{"metric_interval: 10\n", `kerntap.yaml:1: metric_interval: "10" is not a duration (example: 10s)`},
		{"metric_interval: 99ms\n", `kerntap.yaml:1: metric_interval: "99ms" is not between 100ms and 1h`},
		{"metric_interval: 2h\n", `kerntap.yaml:1: metric_interval: "2h" is not between 100ms and 1h`},
		{"console: xml\n", `kerntap.yaml:1: console: "xml" is not one of text, json, none`},
		{"log_level: INFO\n", `kerntap.yaml:1: log_level: "INFO" is not one of debug, info, warn, error`},
		{"service_name: ' '\n", "kerntap.yaml:1: service_name: the name is empty (example: kerntap)"},
		{"storage: {records: many}\n",
			`kerntap.yaml:1: storage.records: "many" is not a whole number (example: 10000)`},
		{"storage: {records: 1000001}\n",
			`kerntap.yaml:1: storage.records: "1000001" is not between 100 and 1000000`},
		{"storage: {retention: 59s}\n", `kerntap.yaml:1: storage.retention: "59s" is not between 1m and 24h`},
		{"resource_attributes: a=b\n", `kerntap.yaml:1: resource_attributes: expected keys and values, found "a=b"`},
		{"resource_attributes:\n  a: [b]\n",
			"kerntap.yaml:2: resource_attributes.a: expected one value, found a list"},
		{"resource_attributes:\n  '': b\n", "kerntap.yaml:2: resource_attributes.: an attribute without a name"},
		{"resource_attributes:\n  service.name: b\n",
			`kerntap.yaml:2: resource_attributes."service.name": has a key of its own: service_name`},
		{"listen: 4319\n", `kerntap.yaml:1: listen: "4319" is not an address (examples: 127.0.0.1:4319, ` +
			`unix:///run/kerntap.sock, off)`},
		{"listen: localhost:http\n",
			`kerntap.yaml:1: listen: "localhost:http" has no port from 0 to 65535 (example: 127.0.0.1:4319)`},
		{"listen: localhost:65536\n",
			`kerntap.yaml:1: listen: "localhost:65536" has no port from 0 to 65535 (example: 127.0.0.1:4319)`},
		{"listen: unix://run/k.sock\n", `kerntap.yaml:1: listen: "unix://run/k.sock" is not the absolute path of a ` +
			`socket (example: unix:///run/kerntap.sock)`},
		{"listen: unix:///run/\n", `kerntap.yaml:1: listen: "unix:///run/" is not the absolute path of a socket ` +
			`(example: unix:///run/kerntap.sock)`},
		{"listen: unix:///" + long + "\n", `kerntap.yaml:1: listen: "unix:///` + long +
			`" is a longer path than a socket can have (107 bytes)`},
		{"programs: [connection]\n", "kerntap.yaml:1: programs: expected keys and values, found a list"},
		{"programs:\n  conection: {}\n",
			`kerntap.yaml:2: programs.conection: no program "conection" (known: connection, packet_drop)`},
		{"programs:\n  connection: false\n",
			`kerntap.yaml:2: programs.connection: expected keys and values, found "false"`},
		{"programs:\n  connection:\n    enabled: maybe\n",
			`kerntap.yaml:3: programs.connection.enabled: "maybe" is not true or false`},
		{"programs:\n  connection:\n    enabled: [true]\n",
			`kerntap.yaml:3: programs.connection.enabled: expected one value, found a list`},
		{"programs:\n  connection:\n    a: 1\n    a: 1\n",
			`kerntap.yaml:4: duplicate key "programs.connection.a" (first on line 3)`},
		{"programs: {connection: {enabled: false}, packet_drop: {enabled: false}}\n",
			"no program is enabled: enable at least one of connection, packet_drop"},
		{"", "--config: kerntap.yaml is empty (leave it out to run on the defaults)"},
		{" \n\n", "--config: kerntap.yaml is empty (leave it out to run on the defaults)"},
		{strings.Repeat("#", maxFile+1), "--config: kerntap.yaml is larger than 1048576 bytes"},
		{"listen: off\n---\nconsole: json\n",
			"kerntap.yaml:2: a second document: everything goes into one"},
		{"storage:\n\trecords: 100\n", "kerntap.yaml:2: a tab indents this line (use spaces)"},
		{"storage:\n  records: 100\n \t records: 100\n", "kerntap.yaml:3: a tab indents this line (use spaces)"},
		{"listen: [a\n", "kerntap.yaml:1: did not find expected ',' or ']'"},
		{"listen: *nobody\n", "kerntap.yaml: unknown anchor 'nobody' referenced"},
		{"a: b: c\n", "kerntap.yaml: mapping values are not allowed in this context"},
		{"listen: \x01\n", "kerntap.yaml: control characters are not allowed"},
	} {
		inFolder(t, tc.yaml)
		refused(t, Source{Known: known(), File: "kerntap.yaml"}, tc.want)
	}
}

func TestLoadRefusesUnreadableFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("folder", 0o700); err != nil {
		t.Fatal(err)
	}
	refused(t, Source{File: "absent.yaml"}, "--config: open absent.yaml: no such file or directory")
	refused(t, Source{Environ: []string{"KERNTAP_CONFIG=absent.yaml"}},
		"environment KERNTAP_CONFIG: open absent.yaml: no such file or directory")
	refused(t, Source{Flags: map[string]string{"config": "folder"}}, "--config: read folder: is a directory")
}

func TestLoadRefusesInTheEnvironment(t *testing.T) {
	for entry, want := range map[string]string{
		"KERNTAP_LISTN=off": "environment KERNTAP_LISTN: no such variable (did you mean KERNTAP_LISTEN?)",
		"KERNTAP_UNRELATED_WORDS=1": "environment KERNTAP_UNRELATED_WORDS: no such variable (known: KERNTAP_CONFIG, " +
			"KERNTAP_LISTEN, KERNTAP_PROBE_LISTEN, KERNTAP_CONSOLE, KERNTAP_METRIC_INTERVAL, KERNTAP_LOG_LEVEL, " +
			"KERNTAP_OTLP_ENDPOINT, KERNTAP_THROTTLE_ROW, KERNTAP_THROTTLE_PROGRAM, " +
			"KERNTAP_THROTTLE_FIRST, KERNTAP_LEDGER_INTERVAL, KERNTAP_LEDGER_MEMORY, KERNTAP_METRICS_ATTRIBUTES, KERNTAP_FILTER_COMMANDS, KERNTAP_FILTER_PORTS, KERNTAP_FILTER_NETWORKS, KERNTAP_FILTER_LOOPBACK, KERNTAP_SCOPE, KERNTAP_SYNC_FAILURES, KERNTAP_WORKLOAD_SERVICE_NAMES, KERNTAP_PROGRAMS)",
		"KERNTAP_PORT=4319": "environment KERNTAP_PORT: no such variable (known: KERNTAP_CONFIG, KERNTAP_LISTEN, " +
			"KERNTAP_PROBE_LISTEN, KERNTAP_CONSOLE, KERNTAP_METRIC_INTERVAL, KERNTAP_LOG_LEVEL, KERNTAP_OTLP_ENDPOINT, KERNTAP_THROTTLE_ROW, KERNTAP_THROTTLE_PROGRAM, " +
			"KERNTAP_THROTTLE_FIRST, KERNTAP_LEDGER_INTERVAL, KERNTAP_LEDGER_MEMORY, KERNTAP_METRICS_ATTRIBUTES, KERNTAP_FILTER_COMMANDS, KERNTAP_FILTER_PORTS, KERNTAP_FILTER_NETWORKS, KERNTAP_FILTER_LOOPBACK, KERNTAP_SCOPE, KERNTAP_SYNC_FAILURES, KERNTAP_WORKLOAD_SERVICE_NAMES, KERNTAP_PROGRAMS)",
		"KERNTAP_CONSOLE=xml":          `environment KERNTAP_CONSOLE: "xml" is not one of text, json, none`,
		"KERNTAP_METRIC_INTERVAL=1000": `environment KERNTAP_METRIC_INTERVAL: "1000" is not a duration (example: 10s)`,
		"OTEL_METRIC_EXPORT_INTERVAL=10s": `environment OTEL_METRIC_EXPORT_INTERVAL: "10s" is not a number of ` +
			"milliseconds (example: 10000)",
		"OTEL_METRIC_EXPORT_INTERVAL=10": `environment OTEL_METRIC_EXPORT_INTERVAL: "10ms" is not between 100ms and 1h`,
		"OTEL_METRIC_EXPORT_INTERVAL=99999999999999999999": `environment OTEL_METRIC_EXPORT_INTERVAL: ` +
			`"99999999999999999999" is not a number of milliseconds (example: 10000)`,
		"OTEL_EXPORTER_OTLP_ENDPOINT=collector": `environment OTEL_EXPORTER_OTLP_ENDPOINT: "collector" is not an endpoint ` +
			`(examples: localhost:4317, https://collector:4318, unix:///run/otel.sock)`,
		"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=ftp://c:1": `environment OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: "ftp://c:1" has not ` +
			`one of the schemes http, https, unix`,
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=c:0": `environment OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "c:0" has no port ` +
			`from 1 to 65535 (example: localhost:4317)`,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://u:p@c:1": "environment OTEL_EXPORTER_OTLP_ENDPOINT: a user, a query or a " +
			"fragment has no place in an endpoint (credentials go into the headers)",
		"OTEL_EXPORTER_OTLP_PROTOCOL=http/json": `environment OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" is not one of ` +
			`grpc, http/protobuf`,
		"OTEL_EXPORTER_OTLP_HEADERS=secret": "environment OTEL_EXPORTER_OTLP_HEADERS: a header is not name=value",
		"OTEL_EXPORTER_OTLP_HEADERS=a=%zz": `environment OTEL_EXPORTER_OTLP_HEADERS: the value of "a" is not ` +
			`percent-encoded (% itself is %25)`,
		"OTEL_EXPORTER_OTLP_TIMEOUT=10s": `environment OTEL_EXPORTER_OTLP_TIMEOUT: "10s" is not a number of milliseconds ` +
			`(example: 10000)`,
		"OTEL_EXPORTER_OTLP_COMPRESSION=zstd": `environment OTEL_EXPORTER_OTLP_COMPRESSION: "zstd" is not one of gzip, none`,
		"OTEL_EXPORTER_OTLP_INSECURE=1":       `environment OTEL_EXPORTER_OTLP_INSECURE: "1" is not one of true, false`,
		"OTEL_EXPORTER_OTLP_CLIENT_KEY=k":     "otlp.logs: client_certificate and client_key go together",
		"OTEL_LOGS_EXPORTER=zipkin":           `environment OTEL_LOGS_EXPORTER: "zipkin" is not one of otlp, console, none`,
		"OTEL_METRICS_EXPORTER=none,otlp":     `environment OTEL_METRICS_EXPORTER: "none,otlp" says none and another`,
		"OTEL_BLRP_MAX_QUEUE_SIZE=0":          `environment OTEL_BLRP_MAX_QUEUE_SIZE: "0" is not between 1 and 1000000`,
		"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=https://c": "otlp.logs.endpoint: gRPC needs a port (example: " +
			"https://collector:4317)",
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=unix://run/otel.sock": `environment OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: ` +
			`"unix://run/otel.sock" is not the absolute path of a socket (example: unix:///run/kerntap.sock)`,
		"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=x": `environment ` +
			`OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: "x" is not one of cumulative, delta, lowmemory`,
		"OTEL_SDK_DISABLED=yes":          `environment OTEL_SDK_DISABLED: "yes" is not one of true, false`,
		"OTEL_SERVICE_NAME=\xff":         `environment OTEL_SERVICE_NAME: "\xff" is not UTF-8`,
		"OTEL_RESOURCE_ATTRIBUTES=a":     `environment OTEL_RESOURCE_ATTRIBUTES: "a" is not name=value`,
		"OTEL_RESOURCE_ATTRIBUTES==b":    "environment OTEL_RESOURCE_ATTRIBUTES: an attribute without a name",
		"OTEL_RESOURCE_ATTRIBUTES=a=%zz": `environment OTEL_RESOURCE_ATTRIBUTES: "a=%zz" is not percent-encoded (% itself is %25)`,
		"OTEL_RESOURCE_ATTRIBUTES=a=%ff": `environment OTEL_RESOURCE_ATTRIBUTES: "a"="\xff" is not UTF-8`,
		"OTEL_RESOURCE_ATTRIBUTES=service.name=": "environment OTEL_RESOURCE_ATTRIBUTES: service.name: the name is " +
			"empty (example: kerntap)",
		"KERNTAP_PROGRAMS=connection,x": `environment KERNTAP_PROGRAMS: no program "x" (known: connection, packet_drop)`,
		"KERNTAP_PROGRAMS=,":            `environment KERNTAP_PROGRAMS: "," names no program (known: connection, packet_drop)`,
	} {
		refused(t, Source{Known: known(), Environ: []string{entry}}, want)
	}
}

func TestASocketCannotTakeHTTP(t *testing.T) {
	for _, signal := range []string{"LOGS", "METRICS"} {
		refused(t, Source{Environ: []string{"OTEL_EXPORTER_OTLP_" + signal + "_ENDPOINT=unix:///run/c",
			"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"}}, "otlp."+strings.ToLower(signal)+`.endpoint: "unix:///run/c" is a `+
			"socket, which protocol http/protobuf cannot use")
	}
}

func TestLoadRefusesInFlags(t *testing.T) {
	for _, tc := range []struct{ flag, text, want string }{
		{"metric-interval", "abc", `--metric-interval: "abc" is not a duration (example: 10s)`},
		{"metric_interval", "1s", "--metric_interval: no such flag (did you mean --metric-interval?)"},
		{"listen", "", "--listen: the address is empty (examples: 127.0.0.1:4319, unix:///run/kerntap.sock, off)"},
		{"programs", "", `--programs: "" names no program (known: connection, packet_drop)`},
		{"programs", "nope", `--programs: no program "nope" (known: connection, packet_drop)`},
		{"", "", "--: no such flag (known: --config, --listen, --probe-listen, --console, --metric-interval, " +
			"--log-level, --otlp-endpoint, --throttle-row, --throttle-program, --throttle-first, --filter-commands, --filter-ports, --filter-networks, --filter-loopback, --scope, --sync-failures, --workload-service-names, --programs)"},
	} {
		refused(t, Source{Known: known(), Flags: map[string]string{tc.flag: tc.text}}, tc.want)
	}
	refused(t, Source{Flags: map[string]string{"programs": "x"}}, "--programs: there are no programs")
}

func TestWhatIsOverriddenMustBeRightToo(t *testing.T) {
	refused(t, Source{Environ: []string{"KERNTAP_CONSOLE=xml"}, Flags: map[string]string{"console": "json"}},
		`environment KERNTAP_CONSOLE: "xml" is not one of text, json, none`)
}

func refused(t *testing.T, source Source, want string) {
	t.Helper()
	c, err := Load(source)
	if err == nil {
		t.Errorf("accepted as %+v, want %s", c, want)
	} else if err.Error() != want {
		t.Errorf("%s\nwant %s", err, want)
	}
}
