package export

import (
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kerntap/kerntap/internal/telemetry"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"curl":          "curl",
		"größe 日本":      "größe 日本",
		"a\x1b[31mb":    `a\x1b[31mb`,
		"a\nb\rc\x00":   `a\nb\rc\x00`,
		"\xff":          `\xff`,
		"\u202eevil":    `\u202eevil`, // would turn the line round
		"say \"x\"\x07": `say "x"\a`,
	} {
		if got := printable(text); got != want {
			t.Errorf("printable(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestQuoted(t *testing.T) {
	for text, want := range map[string]string{
		"curl": "curl", "": `""`, "a b": `"a b"`, `a"b`: `"a\"b"`, "a=b": `"a=b"`, "a\tb": `"a\tb"`,
	} {
		if got := quoted(text); got != want {
			t.Errorf("quoted(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestDetailsTellWhatTheBodyDoesNot(t *testing.T) {
	attrs := []attribute.KeyValue{
		attribute.String("custom", "x"),
		attribute.String(telemetry.NetworkTransport, "tcp"),
		attribute.Int64(telemetry.ProcessPID, 7),
		attribute.String(telemetry.NetworkPeerAddress, "fe80::1"),
		attribute.Int64(telemetry.NetworkPeerPort, 80),
		attribute.String(telemetry.Command, "curl"),
		attribute.Float64(telemetry.Duration, 0.0021),
		attribute.StringSlice("list", []string{"a", "b"}),
	}
	for body, want := range map[string]string{
		"something happened":                       `  command=curl  pid=7  peer=[fe80::1]:80  duration=2.1ms  custom=x  list="[\"a\",\"b\"]"`,
		"curl[7] to [fe80::1]:80 in 2.1ms x":       `  list="[\"a\",\"b\"]"`,
		"curl 17 of 7 things with a different pid": `  pid=7  peer=[fe80::1]:80  duration=2.1ms  custom=x  list="[\"a\",\"b\"]"`,
	} {
		console := textLogs{attributes: attrs}
		if got := console.details(body); got != want {
			t.Errorf("details(%q) =\n%s, want\n%s", body, got, want)
		}
	}
}

// point is a data point with labels as key, value, key, value.
func point(n int64, labels ...string) metricdata.DataPoint[int64] {
	var set []attribute.KeyValue
	for i := 0; i < len(labels); i += 2 {
		set = append(set, attribute.String(labels[i], labels[i+1]))
	}
	return metricdata.DataPoint[int64]{Attributes: attribute.NewSet(set...), Value: n}
}

func summaryOf(points map[string][]metricdata.DataPoint[int64]) summary {
	var metrics []metricdata.Metrics
	for name, p := range points {
		metrics = append(metrics, metricdata.Metrics{Name: name, Data: metricdata.Sum[int64]{DataPoints: p}})
	}
	return summarize(&metricdata.ResourceMetrics{ScopeMetrics: []metricdata.ScopeMetrics{{Metrics: metrics}}})
}

func TestSummaryLine(t *testing.T) {
	connections, drops := telemetry.TCPConnections.Name, telemetry.PacketDrops.Name
	overflow := metricdata.DataPoint[int64]{
		Attributes: attribute.NewSet(attribute.Bool("otel.metric.overflow", true)), Value: 9}
	for want, points := range map[string]map[string][]metricdata.DataPoint[int64]{
		"── 10s: no connections · no packet drops\n": {},
		"── 10s: 12 connections (client 9, server 3), 3 of them failed (refused 2, timed_out 1)" +
			" · no packet drops · connections by command: a 4, b 3, c 2, d 1, e 1, others 1\n": {connections: {
			point(4, telemetry.TCPRole, "client", telemetry.Command, "a"),
			point(2, telemetry.TCPRole, "client", telemetry.Command, "b", telemetry.ErrorType, "refused"),
			point(1, telemetry.TCPRole, "client", telemetry.Command, "b", telemetry.ErrorType, "timed_out"),
			point(2, telemetry.TCPRole, "client", telemetry.Command, "c"),
			point(1, telemetry.TCPRole, "server", telemetry.Command, "d"),
			point(1, telemetry.TCPRole, "server", telemetry.Command, "e"),
			point(1, telemetry.TCPRole, "server", telemetry.Command, "f"),
			point(0, telemetry.TCPRole, "server", telemetry.Command, "g"),
		}},
		"── 10s: no connections · 47 packet drops (cleanup 40, loss 4, refused 3)," +
			" reasons: R1 3, R2 2, R3 1, others 1\n": {drops: {
			point(40, telemetry.DropClass, "cleanup", telemetry.DropReason, "QUEUE_PURGE"),
			point(3, telemetry.DropClass, "loss", telemetry.DropReason, "R1"),
			point(1, telemetry.DropClass, "loss", telemetry.DropReason, "R4"),
			point(2, telemetry.DropClass, "refused", telemetry.DropReason, "R2"),
			point(1, telemetry.DropClass, "refused", telemetry.DropReason, "R3"),
		}},
		"── 10s: 9 connections (role unknown 9) · 1 packet drop (class unknown 1), reasons: reason unknown 1" +
			" · connections by command: (unknown) 9 · counted only 1 (connection.dropped 1) · not counted 2 (packet_drop.missed 2)\n": {
			connections: {overflow},
			drops:       {point(1)},
			telemetry.ProgramEvents.Name: {
				point(2, telemetry.ProgramName, "packet_drop", telemetry.Outcome, "missed"),
				point(7, telemetry.ProgramName, "packet_drop", telemetry.Outcome, "filtered"),
			},
			telemetry.ProgramRecords.Name: {
				point(1, telemetry.ProgramName, "connection", telemetry.Outcome, "dropped"),
				point(8, telemetry.ProgramName, "connection", telemetry.Outcome, "delivered"),
			},
		},
	} {
		s := summaryOf(points)
		if got := s.line(10*time.Second + 3*time.Millisecond); got != want {
			t.Errorf("line = %swant   %s", got, want)
		}
	}
}

func TestLinesDoNotInterleave(t *testing.T) {
	var out syncBuffer
	w := newLineWriter(&out)
	var writers sync.WaitGroup
	for _, line := range []string{"aaaaaaaa\n", "bbbbbbbb\n"} {
		writers.Go(func() {
			for range 100 {
				if n, err := w.write([]byte(line + line)); n != 2 || err != nil {
					t.Errorf("wrote %d lines: %v", n, err)
				}
			}
		})
	}
	writers.Wait()
	for line := range strings.Lines(string(out.Bytes())) {
		if line != "aaaaaaaa\n" && line != "bbbbbbbb\n" {
			t.Fatalf("line %q", line)
		}
	}
}
