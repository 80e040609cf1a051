package config

import (
	"maps"
	"strconv"
	"strings"
	"testing"
)

// headerSources are all places that headers are set in, with the way to set one header there and the words that stand
// before the complaint.
func headerSources(t *testing.T) map[string]func(name, header string) (source Source, place string) {
	t.Helper()
	sources := map[string]func(name, header string) (Source, string){}
	for _, variable := range []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
		"OTEL_EXPORTER_OTLP_METRICS_HEADERS"} {
		sources[variable] = func(name, header string) (Source, string) {
			return Source{Environ: []string{variable + "=" + name + "=" + percentEncode(header)}}, "environment " + variable + ": "
		}
	}
	for _, key := range []string{"otlp.headers", "otlp.logs.headers", "otlp.metrics.headers"} {
		sources[key] = func(name, header string) (Source, string) {
			yaml := strconv.Quote(name) + ": " + strconv.Quote(header)
			for part := range strings.SplitSeq(reversed(key), ".") {
				yaml = part + ": {" + yaml + "}"
			}
			inFolder(t, yaml+"\n")
			return Source{File: "kerntap.yaml"}, "kerntap.yaml:1: " + join(key, name) + ": "
		}
	}
	return sources
}

// reversed returns the parts of a key, the last one first.
func reversed(key string) (all string) {
	for part := range strings.SplitSeq(key, ".") {
		all = strings.TrimSuffix(part+"."+all, ".")
	}
	return all
}

func TestHeadersThatAProtocolForbidsAreRefused(t *testing.T) {
	const noName, own, noValue = ` is not the name of a header (it takes ASCII letters, digits, - _ and .)`,
		` is a header of the protocol itself`, ` has characters other than printable ASCII`
	for _, tc := range []struct{ name, header, want string }{
		{"a b", "c", `"a b"` + noName},
		{":path", "c", `":path"` + noName},
		{":authority", "c", `":authority"` + noName},
		{"a:b", "c", `"a:b"` + noName},
		{"a\x7f", "c", `"a\x7f"` + noName},
		{"größe", "c", `"größe"` + noName},
		{"a!", "c", `"a!"` + noName},
		{"grpc-timeout", "1S", `"grpc-timeout"` + own},
		{"GRPC-Trace-Bin", "c", `"grpc-trace-bin"` + own},
		{"Content-Type", "text/plain", `"content-type"` + own},
		{"content-length", "1", `"content-length"` + own},
		{"Host", "c", `"host"` + own},
		{"TE", "c", `"te"` + own},
		{"Connection", "close", `"connection"` + own},
		{"Transfer-Encoding", "chunked", `"transfer-encoding"` + own},
		{"User-Agent", "c", `"user-agent"` + own},
		{"a", "b\nc: d", `the value of "a"` + noValue},
		{"a", "\t", `the value of "a"` + noValue},
		{"a", "\x7f", `the value of "a"` + noValue},
		{"a", "ü", `the value of "a"` + noValue},
	} {
		for _, set := range headerSources(t) {
			source, place := set(tc.name, tc.header)
			refused(t, source, place+tc.want)
		}
	}
}

func TestHeadersHaveNoCase(t *testing.T) {
	want := map[string]string{"x-api.key_2": "Se=cret, ~"}
	for where, set := range headerSources(t) {
		source, _ := set("X-Api.KEY_2", want["x-api.key_2"])
		c, err := Load(source)
		if err != nil {
			t.Fatal(err)
		}
		logs, err := c.LogSignal()
		if err != nil {
			t.Fatal(err)
		}
		metrics, err := c.MetricSignal()
		if err != nil {
			t.Fatal(err)
		}
		name := strings.ToLower(where)
		if toLogs := maps.Equal(logs.Headers, want); toLogs == strings.Contains(name, "metrics") {
			t.Errorf("%s: log records go with %v", where, logs.Headers)
		}
		if toMetrics := maps.Equal(metrics.Headers, want); toMetrics == strings.Contains(name, "logs") {
			t.Errorf("%s: metrics go with %v", where, metrics.Headers)
		}
	}
}
