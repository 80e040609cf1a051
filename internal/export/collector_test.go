package export

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/kerntap/kerntap/internal/telemetry"
)

var protocols = [...]string{ProtocolGRPC, ProtocolHTTP}

// toReceiver says how a signal reaches a receiver.
func toReceiver(protocol, address, signal string) *OTLP {
	to := &OTLP{Protocol: protocol, Endpoint: address, Timeout: 5 * time.Second}
	if protocol == ProtocolHTTP {
		to.Endpoint = "http://" + address + "/v1/" + signal
	}
	return to
}

// soon are options that send both signals to a receiver without waiting long.
func soon(protocol, address string) Options {
	return Options{
		LogsOTLP: toReceiver(protocol, address, "logs"), MetricsOTLP: toReceiver(protocol, address, "metrics"),
		LogDelay: 5 * time.Millisecond, firstRetry: 10 * time.Millisecond, slowestRetry: 50 * time.Millisecond,
	}
}

// begin starts a pipeline that ends with the test.
func begin(tb testing.TB, o Options) *Pipeline {
	tb.Helper()
	p, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.Shutdown(tb.Context()) })
	return p
}

// each runs a test over both protocols.
func each(t *testing.T, test func(t *testing.T, protocol string)) {
	for _, protocol := range protocols {
		t.Run(strings.ReplaceAll(protocol, "/", "-"), func(t *testing.T) { test(t, protocol) })
	}
}

// Every field is in the golden file of the console; here the wire has the same.
func TestConsoleAndCollectorGetTheSame(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		var collector receiver
		var console bytes.Buffer
		o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
		o.Console, o.Out, o.LogDelay, o.MetricInterval = ConsoleJSON, &console, time.Hour, time.Hour
		o.Version, o.Programs = "1.2.3", somePrograms
		o.now = func() time.Time { return time.Unix(946684802, 0) }
		p := begin(t, o)
		for _, e := range scene() {
			p.Handle(e)
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, want := flatten(t, collector.logs), consoleRecords(t, console.Bytes())
		if !slices.Equal(got, want) {
			t.Errorf("the collector got\n%s\nthe console\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if len(collector.metrics) != 1 || collector.metrics[0].DataPointCount() < 10 {
			t.Fatalf("%d requests with metrics", len(collector.metrics))
		}
		gotPoints, wantPoints := pointsTold(t, collector.metrics[0]), pointsTold(t, consoleMetrics(t, console.Bytes()))
		if !slices.Equal(gotPoints, wantPoints) || len(gotPoints) < 10 {
			t.Errorf("the collector got\n%s\nthe console\n%s", strings.Join(gotPoints, "\n"), strings.Join(wantPoints, "\n"))
		}
		for _, s := range p.Status() {
			checkIdentity(t, s.Logs)
			if s.Logs.Exported != uint64(len(scene())) || s.Metrics.Exported != 1 {
				t.Errorf("status %+v", s)
			}
		}
	})
}

// flatten returns every record as a request of its own, in JSON.
func flatten(t *testing.T, all []plog.Logs) []string {
	t.Helper()
	var lines []string
	for _, logs := range all {
		for _, res := range logs.ResourceLogs().All() {
			for _, scope := range res.ScopeLogs().All() {
				for _, record := range scope.LogRecords().All() {
					one := plog.NewLogs()
					toResource := one.ResourceLogs().AppendEmpty()
					res.Resource().CopyTo(toResource.Resource())
					toResource.SetSchemaUrl(res.SchemaUrl())
					toScope := toResource.ScopeLogs().AppendEmpty()
					scope.Scope().CopyTo(toScope.Scope())
					toScope.SetSchemaUrl(scope.SchemaUrl())
					record.CopyTo(toScope.LogRecords().AppendEmpty())
					line, err := (&plog.JSONMarshaler{}).MarshalLogs(one)
					if err != nil {
						t.Fatal(err)
					}
					lines = append(lines, string(line))
				}
			}
		}
	}
	return lines
}

func consoleRecords(t *testing.T, out []byte) []string {
	t.Helper()
	var all []plog.Logs
	for line := range bytes.Lines(out) {
		logs, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(line)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, logs)
	}
	return flatten(t, all)
}

func consoleMetrics(t *testing.T, out []byte) pmetric.Metrics {
	t.Helper()
	for line := range bytes.Lines(out) {
		metrics, err := (&pmetric.JSONUnmarshaler{}).UnmarshalMetrics(line)
		if err != nil {
			t.Fatal(err)
		}
		if metrics.MetricCount() > 0 {
			return metrics
		}
	}
	t.Fatal("no metrics on the console")
	return pmetric.Metrics{}
}

// namesOf returns the number of points of every metric.
func namesOf(metrics pmetric.Metrics) map[string]int {
	all := map[string]int{}
	for _, m := range metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		one := pmetric.NewMetrics()
		m.CopyTo(one.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty())
		all[m.Name()] = one.DataPointCount()
	}
	return all
}

func TestHeadersAndCompression(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		var collector receiver
		o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
		o.LogsOTLP.Headers, o.LogsOTLP.Gzip = map[string]string{"x-api-key": "secret"}, true
		o.MetricsOTLP.Headers, o.MetricsOTLP.Gzip = o.LogsOTLP.Headers, true
		t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=other")
		t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere")
		p := begin(t, o)
		check := func(signal string) {
			t.Helper()
			collector.mu.Lock()
			defer collector.mu.Unlock()
			if collector.headers["X-Api-Key"] != "secret" || collector.encoding != "gzip" {
				t.Errorf("%s: headers %v, encoding %q", signal, collector.headers, collector.encoding)
			}
		}
		p.Handle(anEvent(0))
		collector.await(t, 1)
		check("logs")
		if err := p.Shutdown(t.Context()); err != nil || len(collector.metrics) != 1 {
			t.Errorf("%d requests with metrics, %v", len(collector.metrics), err)
		}
		check("metrics")
	})
}

func TestASocketAsCollector(t *testing.T) {
	var collector receiver
	address := "unix://" + t.TempDir() + "/otlp.sock"
	collector.start(t, ProtocolGRPC, address)
	p := begin(t, soon(ProtocolGRPC, address))
	p.Handle(anEvent(0))
	collector.await(t, 1)
}

func TestCollectorsGetTheFormOfMetricsThatTheyAreToGet(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		for temporality, want := range map[string]pmetric.AggregationTemporality{
			TemporalityCumulative: pmetric.AggregationTemporalityCumulative,
			TemporalityDelta:      pmetric.AggregationTemporalityDelta,
			TemporalityLowMemory:  pmetric.AggregationTemporalityDelta,
		} {
			var collector receiver
			o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
			o.Temporality, o.ExponentialHistograms, o.MetricInterval = temporality, temporality == TemporalityDelta, time.Hour
			p := begin(t, o)
			p.Handle(benchEvent())
			if err := p.Shutdown(t.Context()); err != nil || len(collector.metrics) != 1 {
				t.Fatalf("%s: %d requests, %v", temporality, len(collector.metrics), err)
			}
			for _, m := range collector.metrics[0].ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
				switch {
				case m.Name() == telemetry.TCPConnections.Name && m.Sum().AggregationTemporality() != want:
					t.Errorf("%s: %s", temporality, m.Sum().AggregationTemporality())
				case m.Name() == telemetry.TCPConnectDuration.Name &&
					(m.Type() == pmetric.MetricTypeExponentialHistogram) != o.ExponentialHistograms:
					t.Errorf("%s: %s", temporality, m.Type())
				}
			}
		}
	})
}
