package config

import (
	"strings"
	"time"
)

// sendingPrecedences has an entry for every option of OTLP: what the environment and the file say, and what it is then.
func sendingPrecedences() map[string]precedence {
	all := map[string]precedence{}
	for key, at := range map[string]func(*Config) *Transport{
		"":        func(c *Config) *Transport { return &c.OTLP.General },
		"logs":    func(c *Config) *Transport { return &c.OTLP.Logs },
		"metrics": func(c *Config) *Transport { return &c.OTLP.Metrics },
	} {
		for name, p := range transportPrecedences(at) {
			p.standardName = "OTEL_EXPORTER_OTLP_" + strings.ToUpper(name)
			p.yaml = "otlp: {" + name + ": " + p.yaml + "}"
			full := "otlp." + name
			if key != "" {
				p.standardName = "OTEL_EXPORTER_OTLP_" + strings.ToUpper(key+"_"+name)
				p.yaml = "otlp: {" + key + ": {" + strings.TrimPrefix(p.yaml, "otlp: {") + "}"
				full = "otlp." + key + "." + name
			} else if name == "endpoint" {
				p.own, p.ownN, p.ownT = "c:3", "KERNTAP_OTLP_ENDPOINT", "c:3"
				p.flag, p.flagName, p.flagText = "unix:///run/c.sock", "otlp-endpoint", "unix:///run/c.sock"
			}
			all[full] = p
		}
	}
	for key, p := range map[string]precedence{
		"logs.exporter": {get: func(c Config) any { return c.OTLP.LogsExporter }, none: "", file: "none", standard: "otlp,console",
			yaml: "none", standardName: "OTEL_LOGS_EXPORTER", standardText: "otlp, console"},
		"logs.delay": {get: func(c Config) any { return c.OTLP.LogDelay }, none: time.Second, file: time.Minute, standard: 50 * time.Millisecond,
			yaml: "1m", standardName: "OTEL_BLRP_SCHEDULE_DELAY", standardText: "50"},
		"logs.export_timeout": {get: func(c Config) any { return c.OTLP.LogTimeout }, none: 5 * time.Minute, file: time.Minute, standard: time.Second,
			yaml: "1m", standardName: "OTEL_BLRP_EXPORT_TIMEOUT", standardText: "1000"},
		"logs.queue": {get: func(c Config) any { return c.OTLP.LogQueue }, none: 100000, file: 100, standard: 2048,
			yaml: "100", standardName: "OTEL_BLRP_MAX_QUEUE_SIZE", standardText: "2048"},
		"logs.batch": {get: func(c Config) any { return c.OTLP.LogBatch }, none: 512, file: 100, standard: 1,
			yaml: "100", standardName: "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", standardText: "1"},
		"metrics.exporter": {get: func(c Config) any { return c.OTLP.MetricsExporter }, none: "", file: "console", standard: "none",
			yaml: "console", standardName: "OTEL_METRICS_EXPORTER", standardText: "none"},
		"metrics.export_timeout": {get: func(c Config) any { return c.OTLP.MetricTimeout }, none: 30 * time.Second, file: time.Minute, standard: time.Second,
			yaml: "1m", standardName: "OTEL_METRIC_EXPORT_TIMEOUT", standardText: "1000"},
		"metrics.temporality": {get: func(c Config) any { return c.OTLP.Temporality }, none: "cumulative", file: "delta", standard: "lowmemory",
			yaml: "Delta", standardName: "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", standardText: "LowMemory"},
		"metrics.histograms": {get: func(c Config) any { return c.OTLP.Histograms }, none: explicitHistograms, file: exponentialHistograms, standard: explicitHistograms,
			yaml: exponentialHistograms, standardName: "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", standardText: explicitHistograms},
	} {
		signal, name, _ := strings.Cut(key, ".")
		p.yaml = "otlp: {" + signal + ": {" + name + ": '" + p.yaml + "'}}"
		all["otlp."+key] = p
	}
	return all
}

// transportPrecedences has an entry for every field of a transport. A client's
// certificate is refused without its key, so those two are in TestEveryVariableForBothSignalsAlike.
func transportPrecedences(at func(*Config) *Transport) map[string]precedence {
	text := func(field func(*Transport) *string, file, standard string) precedence {
		return precedence{get: func(c Config) any { return *field(at(&c)) }, none: "", file: file, standard: standard,
			yaml: "'" + file + "'", standardText: standard}
	}
	return map[string]precedence{
		"endpoint":           text(func(t *Transport) *string { return &t.Endpoint }, "a:1", "http://b:2"),
		"protocol":           text(func(t *Transport) *string { return &t.Protocol }, "http/protobuf", "grpc"),
		"compression":        text(func(t *Transport) *string { return &t.Compression }, "gzip", "none"),
		"insecure":           text(func(t *Transport) *string { return &t.Insecure }, "true", "false"),
		"certificate":        text(func(t *Transport) *string { return &t.Certificate }, "a.pem", "b.pem"),
		"client_certificate": text(func(t *Transport) *string { return &t.ClientCertificate }, "", ""),
		"client_key":         text(func(t *Transport) *string { return &t.ClientKey }, "", ""),
		"timeout": {get: func(c Config) any { return at(&c).Timeout }, none: time.Duration(0), file: time.Minute,
			standard: time.Second, yaml: "1m", standardText: "1000"},
		"headers": {get: func(c Config) any { return at(&c).Headers }, none: map[string]string(nil),
			file: map[string]string{"a": "1", "b": "2=3"}, standard: map[string]string{"authorization": "Basic x="},
			yaml: "{a: 1, b: 2=3}", standardText: "authorization=Basic%20x="},
	}
}
