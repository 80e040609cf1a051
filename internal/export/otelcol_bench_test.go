package export

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/footprint"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// BenchmarkRealCollectorAt30000 sends 30,000 records a second to the OpenTelemetry Collector whose binary
// KERNTAP_COLLECTOR names, with the configuration of otel-collector.yaml: log records alone, or with their metrics.
func BenchmarkRealCollectorAt30000(b *testing.B) {
	for _, bench := range []struct {
		name, protocol string
		metrics        bool
	}{{"logs/grpc", ProtocolGRPC, false}, {"both/grpc", ProtocolGRPC, true}, {"both/http", ProtocolHTTP, true}} {
		b.Run(bench.name, func(b *testing.B) {
			collector := startOtelcol(b)
			o := Options{LogsOTLP: toReceiver(bench.protocol, collector.address(bench.protocol), "logs")}
			events := connects(1024)
			if bench.metrics {
				o.MetricsOTLP = toReceiver(bench.protocol, collector.address(bench.protocol), "metrics")
			} else {
				for _, e := range events {
					e.measured = nil
				}
			}
			sendAt30000(b, o, events, collector)
		})
	}
}

// sendAt30000 sends for as long as the benchmark takes and says what that cost both processes.
func sendAt30000(b *testing.B, o Options, events []*connect, collector *otelcol) {
	const rate, each = 30_000, 30
	defer footprint.Bound(os.Environ(), defaultQueueSize)() // as kerntap runs
	forgetPeak(b)
	theirs, ours := processCPU(b, collector.pid), cpu(b)
	p := begin(b, o)
	tick := time.NewTicker(time.Second / rate * each)
	defer tick.Stop()
	start, sent := time.Now(), 0
	for b.Loop() {
		<-tick.C
		for due := int(time.Since(start).Seconds() * rate); sent < due; sent++ { // ticks that were missed are made up for
			p.Handle(events[sent%len(events)])
		}
	}
	b.ReportMetric(float64(sent)/time.Since(start).Seconds(), "records/s")
	if err := p.Shutdown(b.Context()); err != nil {
		b.Fatal(err)
	}
	ours = cpu(b) - ours
	received := collector.settle(b)
	theirs = processCPU(b, collector.pid) - theirs
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(sent), "sent")
	b.ReportMetric(float64(received), "received")
	b.ReportMetric(float64(ours.Nanoseconds())/float64(sent)/1000, "µs-cpu/record")
	b.ReportMetric(float64(theirs.Nanoseconds())/float64(sent)/1000, "µs-cpu/record-collector")
	b.ReportMetric(memory(b, "self", "VmHWM"), "MiB-peak")
	b.ReportMetric(memory(b, strconv.Itoa(collector.pid), "VmHWM"), "MiB-peak-collector")
	if status := p.Status()[0].Logs; received != sent || status.Exported != uint64(sent) {
		b.Errorf("of %d records the collector received %d: %+v", sent, received, status)
	}
}

// BenchmarkFullQueueWithoutCollector is the memory of this process when nobody takes its records and the queue of the
// default size is full of events that nothing else keeps alive.
func BenchmarkFullQueueWithoutCollector(b *testing.B) {
	defer footprint.Bound(os.Environ(), defaultQueueSize)()
	for b.Loop() {
		address := bpftest.FreeAddress(b)
		p := begin(b, Options{LogsOTLP: toReceiver(ProtocolGRPC, address, "logs"),
			MetricsOTLP: toReceiver(ProtocolGRPC, address, "metrics"), MetricInterval: time.Second})
		forgetPeak(b)
		empty, began := heap(), memory(b, "self", "VmRSS")
		for _, e := range connects(defaultQueueSize) {
			p.Handle(e)
		}
		for deadline := time.After(patience); !p.Status()[0].Waiting; {
			select {
			case <-time.After(10 * time.Millisecond):
			case <-deadline:
				b.Fatal("the pipeline does not wait for the collector")
			}
		}
		b.ReportMetric(float64(heap()-empty)/(1<<20), "MiB-heap/queue+events")
		b.ReportMetric(began, "MiB-resident-before")
		b.ReportMetric(memory(b, "self", "VmHWM"), "MiB-peak")
		b.ReportMetric(0, "ns/op")
		if status := p.Status()[0].Logs; status.Queued != defaultQueueSize || len(status.Dropped) > 0 {
			b.Errorf("the queue is not full: %+v", status)
		}
		over, cancel := context.WithCancel(b.Context())
		cancel()
		_ = p.Shutdown(over) // there is nobody to flush to
		<-p.outlets[0].logs.done
	}
}

// connect is a refused connect, as large as the events of the programs and described like theirs.
type connect struct {
	bpf.BaseEvent
	port     int64
	measured []telemetry.Measurement
	_        [168 - 112]byte
}

var (
	_ bpf.Described = (*connect)(nil)
	_ bpf.Measured  = (*connect)(nil)
)

func (*connect) GetEventType() string         { return "connect" }
func (*connect) EventName() string            { return telemetry.EventTCPFailed }
func (*connect) Severity() telemetry.Severity { return telemetry.Warn }

func (c *connect) Body() string {
	return fmt.Sprintf("%s[%d] could not connect to 127.0.0.1:%d: connection refused after 35µs", c.Command, c.PID, c.port)
}

func (c *connect) Attributes(dst []telemetry.Attribute) []telemetry.Attribute {
	return c.OwnerAttributes(append(dst,
		telemetry.String(telemetry.NetworkTransport, telemetry.TCP),
		telemetry.String(telemetry.NetworkType, telemetry.IPv4),
		telemetry.String(telemetry.NetworkLocalAddress, "127.0.0.1"),
		telemetry.Int(telemetry.NetworkLocalPort, 44444),
		telemetry.String(telemetry.NetworkPeerAddress, "127.0.0.1"),
		telemetry.Int(telemetry.NetworkPeerPort, c.port),
		telemetry.String(telemetry.TCPRole, "client"),
		telemetry.String(telemetry.ErrorType, "refused"),
		telemetry.Int(telemetry.Errno, 111),
		telemetry.Float(telemetry.Duration, 0.000035)))
}

func (c *connect) Measurements(dst []telemetry.Measurement) []telemetry.Measurement {
	return append(dst, c.measured...)
}

// connects are n events of sixteen commands.
func connects(n int) []*connect {
	commands, measured := make([]string, 16), make([][]telemetry.Measurement, 16)
	for i := range commands {
		commands[i] = fmt.Sprint("command", i)
		measured[i] = []telemetry.Measurement{connectionOf(commands[i], "client", "refused"),
			{Metric: &telemetry.TCPConnectDuration, Distribution: distributionOf(0.000035), Labels: telemetry.LabelSet(
				telemetry.Label{Key: telemetry.Command, Value: commands[i]},
				telemetry.Label{Key: telemetry.TCPRole, Value: "client"},
				telemetry.Label{Key: telemetry.ErrorType, Value: "refused"})}}
	}
	all := make([]*connect, n)
	for i := range all {
		command := commands[i%len(commands)]
		all[i] = &connect{port: int64(1 + i%65535), measured: measured[i%len(commands)], BaseEvent: bpf.BaseEvent{
			PID: uint32(1000 + i%len(commands)), VPID: 12, Command: command, Executable: command, Timestamp: uint64(i),
			WallOffset: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()}}
	}
	return all
}
