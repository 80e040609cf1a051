package export

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// benchEvent is as large as the largest record: 14 attributes, two measurements.
func benchEvent() *event {
	e := anEvent(time.Second)
	e.VPID = 12
	e.attrs = []telemetry.Attribute{
		telemetry.String(telemetry.NetworkTransport, telemetry.TCP),
		telemetry.String(telemetry.NetworkType, telemetry.IPv4),
		telemetry.String(telemetry.NetworkLocalAddress, "127.0.0.1"),
		telemetry.Int(telemetry.NetworkLocalPort, 44444),
		telemetry.String(telemetry.NetworkPeerAddress, "127.0.0.1"),
		telemetry.Int(telemetry.NetworkPeerPort, 80),
		telemetry.String(telemetry.TCPRole, "client"),
		telemetry.String(telemetry.ErrorType, "refused"),
		telemetry.Int(telemetry.Errno, 111),
		telemetry.Float(telemetry.Duration, 0.000035),
	}
	e.measured = []telemetry.Measurement{
		connectionOf("curl", "client", "refused"),
		{Metric: &telemetry.TCPConnectDuration, Distribution: distributionOf(0.000035), Labels: telemetry.LabelSet(
			telemetry.Label{Key: telemetry.Command, Value: "curl"},
			telemetry.Label{Key: telemetry.TCPRole, Value: "client"},
			telemetry.Label{Key: telemetry.ErrorType, Value: "refused"})},
	}
	return e
}

func connectionOf(command, role, failure string) telemetry.Measurement {
	return telemetry.Measurement{Metric: &telemetry.TCPConnections, Value: 1, Labels: telemetry.LabelSet(
		telemetry.Label{Key: telemetry.Command, Value: command},
		telemetry.Label{Key: telemetry.NetworkType, Value: telemetry.IPv4},
		telemetry.Label{Key: telemetry.TCPRole, Value: role},
		telemetry.Label{Key: telemetry.ErrorType, Value: failure})}
}

// BenchmarkHandle is the way of an event through both adapters, with an exporter that takes everything at once.
func BenchmarkHandle(b *testing.B) {
	records, measurements := benchEvent(), benchEvent()
	records.measured, measurements.detail = nil, 0
	for _, bench := range []struct {
		name  string
		event *event
	}{{"both", benchEvent()}, {"record", records}, {"metrics", measurements}} {
		b.Run(bench.name, func(b *testing.B) {
			// Large enough that nothing is dropped, which would be cheaper.
			p := start(b, Options{QueueSize: 1 << 25}, toFake(&discard{}))
			b.ReportAllocs()
			for b.Loop() {
				p.Handle(bench.event)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			if dropped := p.Status()[0].Logs.Dropped; len(dropped) > 0 {
				b.Logf("dropped: %v", dropped)
			}
		})
	}
}

// BenchmarkHandleManySeries is the metric adapter when every event names another series.
func BenchmarkHandleManySeries(b *testing.B) {
	events := make([]*event, 1000)
	for i := range events {
		events[i] = anEvent(time.Second)
		events[i].detail = 0
		events[i].measured = []telemetry.Measurement{connectionOf(fmt.Sprint("command", i), "client", "")}
	}
	p := start(b, Options{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.Handle(events[i%len(events)])
	}
}

// BenchmarkTextLogs is the cost of a batch of 512 lines.
func BenchmarkTextLogs(b *testing.B) { benchmarkConsole(b, ConsoleText) }

// BenchmarkJSONLogs is the cost of a batch of 512 records in one line.
func BenchmarkJSONLogs(b *testing.B) { benchmarkConsole(b, ConsoleJSON) }

func benchmarkConsole(b *testing.B, console string) {
	var batch recorder
	p := start(b, Options{}, toFake(&batch))
	for range maxBatch {
		p.Handle(benchEvent())
	}
	if err := p.Shutdown(b.Context()); err != nil {
		b.Fatal(err)
	}
	o, err := Options{Console: console, Out: io.Discard}.withDefaults()
	if err != nil {
		b.Fatal(err)
	}
	to, err := destinations(o)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := to[0].logs.Export(b.Context(), batch.records); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/maxBatch, "ns/record")
}

// discard takes everything at once.
type discard struct{ unbuffered }

func (discard) Export(context.Context, []sdklog.Record) error { return nil }

// recorder keeps the records.
type recorder struct {
	unbuffered
	records []sdklog.Record
}

func (r *recorder) Export(_ context.Context, records []sdklog.Record) error {
	for i := range records {
		r.records = append(r.records, records[i].Clone())
	}
	return nil
}
