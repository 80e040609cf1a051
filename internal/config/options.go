package config

import (
	"slices"
	"strings"
	"time"
)

// Option is one thing that can be set, and every way to set it. An empty name means that there is no such way.
type Option struct {
	// Key is the key in the YAML file; a dot stands for a level of nesting.
	Key string
	// Flag is the name of the flag without the dashes.
	Flag string
	// Env is kerntap's own environment variable, OTelEnv the one of the OpenTelemetry specification. Env wins.
	Env, OTelEnv string
	// Default is the value that holds when nothing is set, as a flag would spell it.
	Default string
	// Help is one line without a full stop that says what the option does, and its form.
	Help string

	value   value
	otelSet func(c *Config, text string) error
	// general tells that the option holds for both signals. Where it is set, it wins over what lower layers set for one.
	general bool
	// setEntry sets one entry of an option that is a mapping in the YAML file.
	setEntry func(c *Config, key, text string) error
	// list tells that the YAML file may hold a list of values, which elsewhere are separated by commas.
	list bool
}

// Options returns every option in the order of a reference.
func Options() []Option {
	defaults := Default()
	all := options()
	for i, option := range all {
		if option.value.get != nil {
			all[i].Default = option.value.get(&defaults)
		}
	}
	return all
}

// options is the one table. Within the environment and within the flags, later rows win over earlier ones.
func options() []Option {
	return slices.Concat(serving(), reporting(), sending(), counting(), filtering(), keeping())
}

// serving is where kerntap is configured and asked.
func serving() []Option {
	return []Option{{
		Flag: "config", Env: "KERNTAP_CONFIG",
		Help: "YAML file to read the configuration from",
	}, {
		Key: "listen", Flag: "listen", Env: "KERNTAP_LISTEN",
		Help:  "address of the local API: host:port, unix:///path, or off",
		value: bind(func(c *Config) *string { return &c.Listen }, parseListen, orElse("off")),
	}, {
		Key: "probe_listen", Flag: "probe-listen", Env: "KERNTAP_PROBE_LISTEN",
		Help:  "address for /livez, /readyz and /metrics alone: host:port, unix:///path, or off",
		value: bind(func(c *Config) *string { return &c.ProbeListen }, parseListen, orElse("off")),
	}}
}

// reporting is what kerntap says, how often and under which name.
func reporting() []Option {
	return []Option{{
		Key: "console", Flag: "console", Env: "KERNTAP_CONSOLE",
		Help: "what to print on standard output: text, json (OTLP, one request a line), or none; then nothing goes to a " +
			"collector unless an OTLP option is set",
		value: bind(func(c *Config) *string { return &c.Console }, parseConsole, orElse("none")),
	}, {
		Key: "metric_interval", Flag: "metric-interval", Env: "KERNTAP_METRIC_INTERVAL",
		OTelEnv: "OTEL_METRIC_EXPORT_INTERVAL",
		Help:    "time between two exports of metrics, 100ms to 1h (OTEL_METRIC_EXPORT_INTERVAL: in milliseconds)",
		value:   bind(func(c *Config) *time.Duration { return &c.MetricInterval }, parseMetricInterval, formatDuration),
		otelSet: bind(func(c *Config) *time.Duration { return &c.MetricInterval }, milliseconds(parseMetricInterval), formatDuration).set,
	}, {
		Key: "log_level", Flag: "log-level", Env: "KERNTAP_LOG_LEVEL",
		Help:  "least severe level of kerntap's own diagnostics: debug, info, warn or error",
		value: bind(func(c *Config) *string { return &c.LogLevel }, parseLogLevel, orElse("")),
	}, {
		Key: "resource_attributes", OTelEnv: "OTEL_RESOURCE_ATTRIBUTES",
		Help:     "attributes to add to kerntap's own resource (environment: name=value,…, percent-encoded)",
		value:    value{get: formatAttributes, set: setAttributes},
		setEntry: setAttribute,
	}, {
		Key: "service_name", OTelEnv: "OTEL_SERVICE_NAME",
		Help:  "kerntap's own service.name",
		value: bind(func(c *Config) *string { return &c.ServiceName }, parseServiceName, orElse("")),
	}, {
		OTelEnv: "OTEL_SDK_DISABLED",
		Help:    "true switches all telemetry off",
		value:   bind(func(c *Config) *bool { return &c.Disabled }, parseBool, formatBool),
	}}
}

// keeping is what runs and what is kept of it.
func keeping() []Option {
	return []Option{{
		Key:   "storage.records",
		Help:  "records to keep of each event type for the local API, 100 to 1000000",
		value: bind(func(c *Config) *int { return &c.Storage.Records }, parseRecords, formatInt),
	}, {
		Key:   "storage.retention",
		Help:  "how long to keep a record for the local API, 1m to 24h",
		value: bind(func(c *Config) *time.Duration { return &c.Storage.Retention }, parseRetention, formatDuration),
	}, {
		Key: "scope", Flag: "scope", Env: "KERNTAP_SCOPE",
		Help:  "what to watch: host (every network namespace), or netns (kerntap's own alone, for a sidecar)",
		value: bind(func(c *Config) *string { return &c.Scope }, parseScope, orElse("")),
	}, {
		Key: "sync_failures", Flag: "sync-failures", Env: "KERNTAP_SYNC_FAILURES",
		Help: "how to see connects that fail at once (no route), and UDP's: auto (where programs can be attached to functions of " +
			"the kernel), syscalls (elsewhere too, which slows every system call of the host), or off",
		value: bind(func(c *Config) *string { return &c.SyncFailures }, parseSyncFailures, orElse("")),
	}, {
		Key: "workload_service_names", Flag: "workload-service-names", Env: "KERNTAP_WORKLOAD_SERVICE_NAMES",
		Help: "true reads the environment of workloads for OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, and gives their records " +
			"that service.name; takes SYS_PTRACE, which is kept then, and the host's pid namespace",
		value: bind(func(c *Config) *bool { return &c.ServiceNames }, parseBool, formatBool),
	}, {
		Key: programsKey, Flag: "programs", Env: "KERNTAP_PROGRAMS",
		Help:  "programs to run, separated by commas, and no others (file: a key for each, with enabled and its settings)",
		value: value{set: selectPrograms},
	}}
}

// value reads and writes one field of a Config as text. Setting leaves the Config as it was on failure, and never
// changes a map that another Config may share.
type value struct {
	get func(c *Config) string
	set func(c *Config, text string) error
}

func bind[T any](field func(*Config) *T, parse func(string) (T, error), format func(T) string) value {
	return value{
		get: func(c *Config) string { return format(*field(c)) },
		set: func(c *Config, text string) error {
			parsed, err := parse(text)
			if err == nil {
				*field(c) = parsed
			}
			return err
		},
	}
}

// apply sets the option from the environment or a flag.
func (o *Option) apply(c *Config, set func(*Config, string) error, text string) error {
	if err := set(c, text); err != nil || !o.general {
		return err
	}
	// Within a layer a signal's own option comes later and wins again.
	name := strings.TrimPrefix(o.Key, "otlp")
	for _, other := range options() {
		if other.Key == "otlp.logs"+name || other.Key == "otlp.metrics"+name {
			if err := other.value.set(c, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// name is what an error calls an option that was set nowhere in particular.
func (o *Option) name() string {
	if o.Key != "" {
		return o.Key
	}
	return o.OTelEnv
}
