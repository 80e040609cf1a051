package export

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// scene is a little of everything that a console shows.
func scene() []bpf.BPFEvent {
	endpoints := []telemetry.Attribute{
		telemetry.String(telemetry.NetworkTransport, telemetry.TCP),
		telemetry.String(telemetry.NetworkType, telemetry.IPv4),
		telemetry.String(telemetry.NetworkLocalAddress, "127.0.0.1"),
		telemetry.Int(telemetry.NetworkLocalPort, 51034),
		telemetry.String(telemetry.NetworkPeerAddress, "127.0.0.1"),
		telemetry.Int(telemetry.NetworkPeerPort, 1),
		telemetry.String(telemetry.TCPRole, "client"),
	}
	refused := anEvent(1500 * time.Millisecond)
	refused.name, refused.severity = telemetry.EventTCPFailed, telemetry.Warn
	refused.body = "curl[4711] could not connect to 127.0.0.1:1: connection refused after 35µs"
	refused.attrs = append(endpoints[:7:7],
		telemetry.String(telemetry.ErrorType, "refused"),
		telemetry.Int(telemetry.Errno, 111),
		telemetry.Float(telemetry.Duration, 0.000035))
	refused.measured = []telemetry.Measurement{connectionOf("curl", "client", "refused"),
		{Metric: &telemetry.TCPConnectDuration, Distribution: distributionOf(0.000035), Labels: telemetry.LabelSet(
			telemetry.Label{Key: telemetry.Command, Value: "curl"})}}

	closed := anEvent(1600 * time.Millisecond)
	closed.body = "curl[4711] ended its connection with 127.0.0.1:1 after 12.5s"
	closed.attrs = append(endpoints[:7:7], telemetry.Float(telemetry.Duration, 12.5))

	evil := anEvent(1700 * time.Millisecond)
	evil.Command, evil.Executable, evil.VPID = "\x1b[2Jx\n\"\xff", "a b", 3
	evil.body = evil.Command + "[4711] ended"
	evil.measured = []telemetry.Measurement{connectionOf(evil.Command, "client", "")}

	drop := &event{BaseEvent: anEvent(1800 * time.Millisecond).BaseEvent, detail: bpf.Exported,
		name: telemetry.EventPacketDropped, severity: telemetry.Warn, body: "udp packet dropped: NETFILTER_DROP"}
	drop.PID, drop.Command, drop.Executable = 0, "", ""
	drop.attrs = []telemetry.Attribute{
		telemetry.String(telemetry.SourceAddress, "::1"), telemetry.Int(telemetry.SourcePort, 4000),
		telemetry.String(telemetry.DestinationAddress, "::1"), telemetry.Int(telemetry.DestinationPort, 9),
		telemetry.String(telemetry.DropReason, "NETFILTER_DROP"), telemetry.String(telemetry.DropClass, "loss"),
		telemetry.String(telemetry.DropLocation, "nf_hook_slow"), telemetry.Int(telemetry.PacketSize, 128),
		telemetry.String("custom.key", "of another program"),
	}
	drop.measured = []telemetry.Measurement{dropOf("loss", "NETFILTER_DROP", 3), dropOf("cleanup", "QUEUE_PURGE", 40)}
	return []bpf.BPFEvent{refused, closed, evil, drop}
}

func dropOf(class, reason string, n float64) telemetry.Measurement {
	return telemetry.Measurement{Metric: &telemetry.PacketDrops, Value: n, Labels: telemetry.LabelSet(
		telemetry.Label{Key: telemetry.DropClass, Value: class},
		telemetry.Label{Key: telemetry.DropReason, Value: reason})}
}

// somePrograms is one program that runs and one that does not.
func somePrograms() []bpf.Status {
	return []bpf.Status{
		{Name: "connection", State: bpf.Running, Stats: bpf.Stats{
			Seen: 21, Tallied: 18, Recorded: 5, Throttled: 7, Counted: 4, Filtered: 1, Lost: 2, Missed: 2,
			Undecodable: 1, Dropped: 1, Delivered: 3, LedgerRows: 6,
			Overflowed: 5, Spilled: 4, Unattributed: 3, Unowned: 2}},
		{Name: "packet_drop", State: bpf.Failed},
	}
}

// play shows the scene on a console: two intervals, and the flush at the end.
func play(t *testing.T, console string) []byte {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		p, err := New(Options{
			Console: console, Out: &out, Version: "1.2.3", Programs: somePrograms, location: time.UTC,
			ResourceAttributes: map[string]string{
				"service.instance.id": "11111111-2222-4333-8444-555555555555", "host.name": "testhost",
				"host.arch": "amd64", "telemetry.sdk.version": "0",
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		pass(2050 * time.Millisecond) // between two exports
		for _, e := range scene() {
			p.Handle(e)
		}
		pass(10 * time.Second)
		p.Handle(scene()[0])
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		checkIdentity(t, p.Status()[0].Logs)
	})
	return out.Bytes()
}

func TestTextConsole(t *testing.T) {
	got := play(t, ConsoleText)
	golden(t, "console.txt", got)
	for line := range bytes.Lines(got) {
		if i := bytes.IndexFunc(line[:len(line)-1], func(r rune) bool { return r < ' ' }); i >= 0 {
			t.Errorf("control character at %d of %q", i, line)
		}
	}
}

func TestJSONConsole(t *testing.T) {
	got := play(t, ConsoleJSON)
	var sorted []byte
	var records, points int
	for line := range bytes.Lines(got) {
		logs, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(line)
		if err != nil {
			t.Fatal(err)
		}
		metrics, err := (&pmetric.JSONUnmarshaler{}).UnmarshalMetrics(line)
		if err != nil {
			t.Fatal(err)
		}
		if logs.LogRecordCount() > 0 == (metrics.DataPointCount() > 0) {
			t.Errorf("not exactly one signal in %s", line)
		}
		sorted = append(sorted, line...)
		if metrics.DataPointCount() > 0 {
			sorted = append(sorted[:len(sorted)-len(line)], sortPoints(t, metrics)...)
		}
		records += logs.LogRecordCount()
		points += metrics.DataPointCount()
	}
	if records != 5 || points == 0 {
		t.Errorf("%d records and %d points read back, want 5 and some", records, points)
	}
	golden(t, "console.json", sorted)
}

func TestExposition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, Options{Version: "1.2.3", Programs: somePrograms, ResourceAttributes: map[string]string{
			"service.instance.id": "11111111-2222-4333-8444-555555555555", "host.name": "testhost",
			"host.arch": "amd64", "telemetry.sdk.version": "0",
		}})
		for _, e := range scene() {
			p.Handle(e)
		}
		all := exposition(t, p)
		for _, own := range []string{"go_goroutines ", "process_open_fds ", "process_resident_memory_bytes "} {
			if !strings.Contains(all, "\n"+own) {
				t.Errorf("%sis not told", own)
			}
		}
		golden(t, "metrics.prom", []byte(ofTheMachine.ReplaceAllString(all, "")))
	})
}

// ofTheMachine matches what is told of the process and of its language's runtime.
var ofTheMachine = regexp.MustCompile(`(?m)^(# (HELP|TYPE) )?(go|process)_.*\n`)

// sortPoints returns the line again with its points in a fixed order: causes are kept in a map.
func sortPoints(t *testing.T, metrics pmetric.Metrics) []byte {
	t.Helper()
	if n := metrics.ResourceMetrics().At(0).ScopeMetrics().Len(); n != 1 {
		t.Errorf("%d scopes, want the one of all metrics", n)
	}
	name := func(attributes pcommon.Map) string { return fmt.Sprint(attributes.AsRaw()) }
	for _, m := range metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		less := func(a, b pmetric.NumberDataPoint) bool { return name(a.Attributes()) < name(b.Attributes()) }
		switch m.Type() {
		case pmetric.MetricTypeSum:
			m.Sum().DataPoints().Sort(less)
		case pmetric.MetricTypeGauge:
			m.Gauge().DataPoints().Sort(less)
		case pmetric.MetricTypeHistogram:
			m.Histogram().DataPoints().Sort(func(a, b pmetric.HistogramDataPoint) bool {
				return name(a.Attributes()) < name(b.Attributes())
			})
		}
	}
	line, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(metrics)
	if err != nil {
		t.Fatal(err)
	}
	return append(line, '\n')
}
