package main

import (
	"strings"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/programs"
	"github.com/kerntap/kerntap/internal/config"
)

func TestWhereTelemetryGoes(t *testing.T) {
	for environ, want := range map[string]string{
		"":                           "OTLP (grpc) to localhost:4317",
		"KERNTAP_CONSOLE=text":       "this console, as text",
		"KERNTAP_OTLP_ENDPOINT=c:1":  "OTLP (grpc) to c:1",
		"OTEL_SDK_DISABLED=true":     "nowhere",
		"OTEL_METRICS_EXPORTER=none": "log records: OTLP (grpc) to localhost:4317; metrics: nowhere",
		"OTEL_LOGS_EXPORTER=console": "log records: this console, as text; metrics: OTLP (grpc) to localhost:4317",
		"KERNTAP_CONSOLE=json\nOTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf": "log records: this console, as json and OTLP " +
			"(http/protobuf) to http://localhost:4318/v1/logs; metrics: this console, as json and OTLP (http/protobuf) to " +
			"http://localhost:4318/v1/metrics",
	} {
		c, err := config.Load(config.Source{Environ: strings.Split(environ, "\n")})
		if err != nil {
			t.Fatal(err)
		}
		if got := describeTelemetry(c); got != want {
			t.Errorf("%q: %s, want %s", environ, got, want)
		}
		o, err := exportOptions(c)
		if err != nil {
			t.Fatal(err)
		}
		if sends := o.LogsOTLP != nil || o.MetricsOTLP != nil; sends != strings.Contains(want, "OTLP") {
			t.Errorf("%q: %+v", environ, o)
		}
		if shows := o.Console != "" && !(o.HideLogs && o.HideMetrics); shows != strings.Contains(want, "console") {
			t.Errorf("%q: %+v", environ, o)
		}
	}
}

func TestMemoryHasRoomForAllThatIsKept(t *testing.T) {
	for environ, want := range map[string]int{
		"":                              100000 + len(programs.All())*10000,
		"OTEL_BLRP_MAX_QUEUE_SIZE=1000": 1000 + len(programs.All())*10000,
	} {
		c, err := config.Load(config.Source{Environ: []string{environ}})
		if err != nil {
			t.Fatal(err)
		}
		if got := keptEvents(c); got != want {
			t.Errorf("%q: %d events, want %d", environ, got, want)
		}
	}
}
