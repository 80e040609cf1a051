package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestEveryVariableForBothSignalsAlike(t *testing.T) {
	grpc := Signal{Send: true, Protocol: ProtocolGRPC, Endpoint: "localhost:4317", Plaintext: true, Timeout: 10 * time.Second}
	with := func(change func(*Signal)) Signal {
		s := grpc
		change(&s)
		return s
	}
	to := func(endpoint string, plaintext bool) Signal {
		return with(func(s *Signal) { s.Endpoint, s.Plaintext = endpoint, plaintext })
	}
	over := func(url string, plaintext bool) Signal {
		return with(func(s *Signal) { s.Protocol, s.Endpoint, s.Plaintext = ProtocolHTTP, url, plaintext })
	}
	// G is the variable for both signals, S the signal's own, sig its name.
	for environ, want := range map[string]Signal{
		"":                                                   grpc,
		"G_ENDPOINT=c:1":                                     to("c:1", true),
		"G_ENDPOINT=http://c:1":                              to("c:1", true),
		"G_ENDPOINT=https://c:1/x":                           to("c:1", false),
		"G_ENDPOINT=unix:///run/c":                           to("unix:///run/c", true),
		"G_ENDPOINT=[::1]:1":                                 to("[::1]:1", true),
		"G_ENDPOINT=c:1 S_ENDPOINT=d:2":                      to("d:2", true),
		"S_ENDPOINT=d:2 G_ENDPOINT=c:1":                      to("d:2", true),
		"G_ENDPOINT=c:1 G_INSECURE=false":                    to("c:1", false),
		"G_INSECURE=false S_INSECURE=true":                   grpc,
		"G_INSECURE=true S_INSECURE=false":                   to("localhost:4317", false),
		"G_ENDPOINT=http://c:1 G_INSECURE=false":             to("c:1", true),
		"G_PROTOCOL=http/protobuf":                           over("http://localhost:4318/v1/sig", true),
		"S_PROTOCOL=http/protobuf G_PROTOCOL=grpc":           over("http://localhost:4318/v1/sig", true),
		"G_PROTOCOL=http/protobuf G_ENDPOINT=http://c":       over("http://c/v1/sig", true),
		"G_PROTOCOL=http/protobuf G_ENDPOINT=https://c:1/a/": over("https://c:1/a/v1/sig", false),
		"G_PROTOCOL=http/protobuf S_ENDPOINT=https://c:1/a":  over("https://c:1/a", false),
		"G_PROTOCOL=http/protobuf S_ENDPOINT=https://c:1":    over("https://c:1/", false),
		"G_PROTOCOL=http/protobuf G_ENDPOINT=c:1":            over("http://c:1/v1/sig", true),
		"G_TIMEOUT=1000":                                     with(func(s *Signal) { s.Timeout = time.Second }),
		"G_TIMEOUT=1000 S_TIMEOUT=2000":                      with(func(s *Signal) { s.Timeout = 2 * time.Second }),
		"G_COMPRESSION=gzip":                                 with(func(s *Signal) { s.Gzip = true }),
		"G_COMPRESSION=gzip S_COMPRESSION=none":              grpc,
		"G_HEADERS=a=b%20c,d=e":                              with(func(s *Signal) { s.Headers = map[string]string{"a": "b c", "d": "e"} }),
		"G_HEADERS=a=b S_HEADERS=d=e":                        with(func(s *Signal) { s.Headers = map[string]string{"d": "e"} }),
		"G_CERTIFICATE=ca.pem":                               with(func(s *Signal) { s.Certificate, s.Plaintext = "ca.pem", false }),
		"G_CERTIFICATE=ca.pem S_CERTIFICATE=own.pem":         with(func(s *Signal) { s.Certificate, s.Plaintext = "own.pem", false }),
		"G_CERTIFICATE=ca.pem G_INSECURE=true":               with(func(s *Signal) { s.Certificate = "ca.pem" }),
		"G_CLIENT_CERTIFICATE=c.pem S_CLIENT_KEY=k.pem G_CLIENT_KEY=x": with(func(s *Signal) {
			s.ClientCertificate, s.ClientKey, s.Plaintext = "c.pem", "k.pem", false
		}),
		"E=otlp":                                   grpc,
		"E=none":                                   {},
		"E=console":                                {Console: "text"},
		"E=otlp,console":                           with(func(s *Signal) { s.Console = "text" }),
		"KERNTAP_CONSOLE=json":                     {Console: "json"},
		"KERNTAP_CONSOLE=json E=otlp":              with(func(s *Signal) { s.Console = "json" }),
		"KERNTAP_CONSOLE=json E=none":              {Console: "json"},
		"KERNTAP_CONSOLE=json G_TIMEOUT=10000":     with(func(s *Signal) { s.Console = "json" }),
		"KERNTAP_CONSOLE=none":                     grpc,
		"OTEL_SDK_DISABLED=true G_ENDPOINT=c:1":    {},
		"KERNTAP_OTLP_ENDPOINT=k:1 G_ENDPOINT=c:1": to("k:1", true),
	} {
		for signal, of := range map[string]func(*Config) (Signal, error){"logs": (*Config).LogSignal, "metrics": (*Config).MetricSignal} {
			names := strings.NewReplacer("G_", "OTEL_EXPORTER_OTLP_", " S_", " OTEL_EXPORTER_OTLP_"+strings.ToUpper(signal)+"_",
				" E=", " OTEL_"+strings.ToUpper(signal)+"_EXPORTER=")
			c, err := Load(Source{Environ: strings.Fields(names.Replace(" " + environ))})
			if err != nil {
				t.Errorf("%s: %s: %v", signal, environ, err)
				continue
			}
			want := want
			want.Endpoint = strings.Replace(want.Endpoint, "/v1/sig", "/v1/"+signal, 1)
			if got, err := of(&c); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s:\n%+v, %v, want\n%+v", signal, environ, got, err, want)
			}
		}
	}
}

func TestAHigherLayerWinsOverASignalsOwnOfALower(t *testing.T) {
	inFolder(t, "otlp: {logs: {endpoint: filed:1}}\n")
	source := Source{File: "kerntap.yaml"}
	check := func(want string) {
		t.Helper()
		c, err := Load(source)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := c.LogSignal(); err != nil || s.Endpoint != want {
			t.Errorf("%s, %v, want %s", s.Endpoint, err, want)
		}
	}
	check("filed:1")
	source.Environ = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=all:1"}
	check("all:1")
	source.Environ = append(source.Environ, "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=own:1")
	check("own:1")
	source.Flags = map[string]string{"otlp-endpoint": "flag:1"}
	check("flag:1")
}
