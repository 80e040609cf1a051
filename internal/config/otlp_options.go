package config

import "time"

// scope is whom a group of options holds for: both signals or one of them.
type scope struct {
	key, env, whom string
	transport      func(*Config) *Transport
}

// sending is where telemetry goes. The rows of both signals come before those of one, so that one signal's win within
// the environment and within the flags.
func sending() []Option {
	both := scope{"otlp.", "OTEL_EXPORTER_OTLP_", "both signals", func(c *Config) *Transport { return &c.OTLP.General }}
	logs := scope{"otlp.logs.", "OTEL_EXPORTER_OTLP_LOGS_", "log records", func(c *Config) *Transport { return &c.OTLP.Logs }}
	metrics := scope{"otlp.metrics.", "OTEL_EXPORTER_OTLP_METRICS_", "metrics",
		func(c *Config) *Transport { return &c.OTLP.Metrics }}
	all := append(both.options(), both.security()...)
	for i := range all {
		all[i].general = true
	}
	all[0].Flag, all[0].Env = "otlp-endpoint", "KERNTAP_OTLP_ENDPOINT"
	for _, signal := range []scope{logs, metrics} {
		all = append(append(all, signal.options()...), signal.security()...)
	}
	return append(append(all, sendingLogs()...), sendingMetrics()...)
}

// options are what is said to a collector.
func (s scope) options() []Option {
	timeout := func(c *Config) *time.Duration { return &s.transport(c).Timeout }
	return []Option{{
		Key: s.key + "endpoint", OTelEnv: s.env + "ENDPOINT",
		Help: "collector for " + s.whom + ": host:port, http(s)://host:port/path, or unix:///path; without any OTLP " +
			"option telemetry goes to localhost:4317, or to the console alone if there is one",
		value: s.text(func(t *Transport) *string { return &t.Endpoint }, parseEndpoint),
	}, {
		Key: s.key + "protocol", OTelEnv: s.env + "PROTOCOL",
		Help: "protocol for " + s.whom + ": grpc (default) or http/protobuf",
		value: s.text(func(t *Transport) *string { return &t.Protocol },
			func(text string) (string, error) { return oneOf(text, ProtocolGRPC, ProtocolHTTP) }),
	}, {
		Key: s.key + "headers", OTelEnv: s.env + "HEADERS",
		Help:     "headers to send with " + s.whom + " (environment: name=value,…, percent-encoded)",
		value:    value{get: func(c *Config) string { return formatHeaders(s.transport(c).Headers) }, set: s.setHeaders},
		setEntry: s.setHeader,
	}, {
		Key: s.key + "timeout", OTelEnv: s.env + "TIMEOUT",
		Help:    "time that one request with " + s.whom + " may take, 10s by default (environment: in milliseconds)",
		value:   bind(timeout, unless("", 0, parseTimeout), formatTimeout),
		otelSet: bind(timeout, milliseconds(parseTimeout), formatTimeout).set,
	}, {
		Key: s.key + "compression", OTelEnv: s.env + "COMPRESSION",
		Help: "compression of " + s.whom + ": gzip or none (default)",
		value: s.text(func(t *Transport) *string { return &t.Compression },
			func(text string) (string, error) { return oneOf(text, "gzip", "none") }),
	}}
}

// security is whom kerntap trusts and as whom it comes.
func (s scope) security() []Option {
	return []Option{{
		Key: s.key + "insecure", OTelEnv: s.env + "INSECURE",
		Help: "true sends " + s.whom + " in plaintext, false over TLS, if the endpoint has no scheme; by default TLS if " +
			"a certificate is given",
		value: s.text(func(t *Transport) *string { return &t.Insecure }, parseInsecure),
	}, {
		Key: s.key + "certificate", OTelEnv: s.env + "CERTIFICATE",
		Help:  "PEM file of the authorities to trust for " + s.whom + ", the system's by default",
		value: s.text(func(t *Transport) *string { return &t.Certificate }, anyText),
	}, {
		Key: s.key + "client_certificate", OTelEnv: s.env + "CLIENT_CERTIFICATE",
		Help:  "PEM file of the certificate to send " + s.whom + " with",
		value: s.text(func(t *Transport) *string { return &t.ClientCertificate }, anyText),
	}, {
		Key: s.key + "client_key", OTelEnv: s.env + "CLIENT_KEY",
		Help:  "PEM file of the key to send " + s.whom + " with",
		value: s.text(func(t *Transport) *string { return &t.ClientKey }, anyText),
	}}
}

// text binds one field of a transport; "" unsets it.
func (s scope) text(field func(*Transport) *string, parse func(string) (string, error)) value {
	return bind(func(c *Config) *string { return field(s.transport(c)) }, unless("", "", parse), orElse(""))
}

// sendingLogs is how log records are brought together.
func sendingLogs() []Option {
	delay, timeout := func(c *Config) *time.Duration { return &c.OTLP.LogDelay }, func(c *Config) *time.Duration { return &c.OTLP.LogTimeout }
	return []Option{{
		Key: "otlp.logs.exporter", OTelEnv: "OTEL_LOGS_EXPORTER",
		Help:  "where log records go: otlp, console, none, or several, separated by commas",
		value: bind(func(c *Config) *string { return &c.OTLP.LogsExporter }, unless("", "", parseExporters), orElse("")),
	}, {
		Key: "otlp.logs.delay", OTelEnv: "OTEL_BLRP_SCHEDULE_DELAY",
		Help:    "longest time that a log record waits for others, 1ms to 1h (environment: in milliseconds)",
		value:   bind(delay, parseTimeout, formatDuration),
		otelSet: bind(delay, milliseconds(parseTimeout), formatDuration).set,
	}, {
		Key: "otlp.logs.export_timeout", OTelEnv: "OTEL_BLRP_EXPORT_TIMEOUT",
		Help:    "how long to try a batch of log records before it is given up (environment: in milliseconds)",
		value:   bind(timeout, parseTimeout, formatDuration),
		otelSet: bind(timeout, milliseconds(parseTimeout), formatDuration).set,
	}, {
		Key: "otlp.logs.queue", OTelEnv: "OTEL_BLRP_MAX_QUEUE_SIZE",
		Help:  "log records that wait at most, 1 to 1000000",
		value: bind(func(c *Config) *int { return &c.OTLP.LogQueue }, parseCount, formatInt),
	}, {
		Key: "otlp.logs.batch", OTelEnv: "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
		Help:  "log records that go at once, but never more than otlp.logs.queue",
		value: bind(func(c *Config) *int { return &c.OTLP.LogBatch }, parseCount, formatInt),
	}}
}

// sendingMetrics is the form of metrics on the way.
func sendingMetrics() []Option {
	timeout := func(c *Config) *time.Duration { return &c.OTLP.MetricTimeout }
	return []Option{{
		Key: "otlp.metrics.exporter", OTelEnv: "OTEL_METRICS_EXPORTER",
		Help:  "where metrics go: otlp, console, none, or several, separated by commas",
		value: bind(func(c *Config) *string { return &c.OTLP.MetricsExporter }, unless("", "", parseExporters), orElse("")),
	}, {
		Key: "otlp.metrics.export_timeout", OTelEnv: "OTEL_METRIC_EXPORT_TIMEOUT",
		Help:    "how long to try one export of metrics (environment: in milliseconds)",
		value:   bind(timeout, parseTimeout, formatDuration),
		otelSet: bind(timeout, milliseconds(parseTimeout), formatDuration).set,
	}, {
		Key: "otlp.metrics.temporality", OTelEnv: "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
		Help: "what collectors get: cumulative, delta or lowmemory",
		value: bind(func(c *Config) *string { return &c.OTLP.Temporality },
			lowerCase("cumulative", "delta", "lowmemory"), orElse("")),
	}, {
		Key: "otlp.metrics.histograms", OTelEnv: "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
		Help: "buckets of histograms: " + explicitHistograms + " or " + exponentialHistograms,
		value: bind(func(c *Config) *string { return &c.OTLP.Histograms },
			lowerCase(explicitHistograms, exponentialHistograms), orElse("")),
	}}
}
