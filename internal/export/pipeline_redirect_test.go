package export

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// handleNumbered handles events that tell their numbers, from..to.
func handleNumbered(p *Pipeline, from, to int) {
	for i := from; i < to; i++ {
		e := anEvent(0)
		e.body = fmt.Sprint(i)
		e.measured = append(e.measured, measureOf(&telemetry.TCPConnections, 1))
		p.Handle(e)
	}
}

// connectionsTold sums what a receiver was told of connections, in delta temporality.
func (r *receiver) connectionsTold() (sum int64) {
	for _, metrics := range r.requestsWithMetrics() {
		for _, m := range metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			if m.Name() == telemetry.TCPConnections.Name {
				for _, p := range m.Sum().DataPoints().All() {
					sum += p.IntValue()
				}
			}
		}
	}
	return sum
}

// A collector that is away, and that will stay away, is given up for another one: what waited for it goes there, an
// export under way included, and every count goes on.
func TestWhatWaitsForOneCollectorGoesToAnother(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		for _, hung := range []bool{false, true} {
			gone := make(chan struct{})
			first := receiver{answerLogs: func(plog.Logs) (int64, error) {
				<-gone
				return 0, status.Error(codes.Unavailable, "never")
			}}
			address := first.start(t, protocol, "127.0.0.1:0")
			if !hung {
				close(gone)
				first.stop()
			}
			diagnostics := newLines()
			o := soon(protocol, address)
			o.Log, o.Temporality = slog.New(slog.NewTextHandler(diagnostics, nil)), TemporalityDelta
			o.MetricInterval = 20 * time.Millisecond
			p := begin(t, o)
			handleNumbered(p, 0, 3*maxBatch)
			if !hung {
				diagnostics.await(t, "waiting for the collector", 1)
			}
			var second receiver
			elsewhere := soon(protocol, second.start(t, protocol, "127.0.0.1:0"))
			elsewhere.Log, elsewhere.Temporality, elsewhere.MetricInterval = o.Log, o.Temporality, o.MetricInterval
			if err := p.Redirect(elsewhere); err != nil {
				t.Fatal(err)
			}
			second.await(t, 3*maxBatch)
			handleNumbered(p, 3*maxBatch, 4*maxBatch)
			second.await(t, 4*maxBatch)
			if hung {
				close(gone)
			}
			if err := p.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			s := p.Status()[0]
			checkIdentity(t, s.Logs)
			if s.Logs.Exported != 4*maxBatch || len(s.Logs.Failed)+len(s.Logs.Dropped) > 0 || s.Waiting ||
				s.Destination != elsewhere.LogsOTLP.name() {
				t.Errorf("status %+v", s)
			}
			if got := first.connectionsTold() + second.connectionsTold(); got != 4*maxBatch {
				t.Errorf("%d connections were told, want %d", got, 4*maxBatch)
			}
		}
	})
}

func TestARedirectionThatCannotBeMeantChangesNothing(t *testing.T) {
	var collector receiver
	o := soon(ProtocolGRPC, collector.start(t, ProtocolGRPC, "127.0.0.1:0"))
	p := begin(t, o)
	before := p.Status()[0].Destination
	logsOnly, nonsense := o, o
	logsOnly.MetricsOTLP = nil
	nonsense.LogsOTLP = &OTLP{Protocol: "http/json"}
	for want, o := range map[string]Options{"restart": logsOnly, "unknown protocol": nonsense} {
		if err := p.Redirect(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	handleNumbered(p, 0, 5)
	collector.await(t, 5)
	if s := p.Status(); len(s) != 1 || s[0].Destination != before {
		t.Errorf("status %+v", s)
	}
}

// The oldest records leave a queue that is full: what is new is what is looked for.
func TestTheOldestRecordsLeaveAFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exporter, release := stall()
		p := start(t, Options{QueueSize: 3 * maxBatch}, toFake(exporter))
		const emitted = 10 * maxBatch
		handleNumbered(p, 0, maxBatch)
		synctest.Wait() // on their way
		handleNumbered(p, maxBatch, emitted)
		release()
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		s := p.Status()[0].Logs
		checkIdentity(t, s)
		if s.Exported != 3*maxBatch || s.Dropped[causeQueueFull] != 7*maxBatch {
			t.Errorf("status %+v", s)
		}
		for i, body := range exporter.bodies {
			want := i
			if i >= maxBatch {
				want += 7 * maxBatch
			}
			if body != fmt.Sprint(want) {
				t.Fatalf("record %d is that of event %s, want %d", i, body, want)
			}
		}
	})
}

// What kerntap says about itself is told again when an export fails, as everything else is.
func TestSelfTelemetryOfAFailedExportIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := refuse(TemporalityDelta)
		fails.of = telemetry.ProgramEvents.Name
		start(t, Options{MetricInterval: time.Minute, Programs: somePrograms}, destination{name: "fails", metrics: fails})
		pass(3*time.Minute + time.Second)
		fails.recover()
		pass(2 * time.Minute)
		var seen uint64
		for _, program := range somePrograms() {
			seen += program.Stats.Seen
		}
		if total, _ := fails.took(); uint64(total) != seen {
			t.Errorf("told %d events of %d", total, seen)
		}
	})
}

// Of an export that takes several requests those are told again that the collector did not get, and no others.
func TestOnlyTheRequestsThatFailedAreMadeUpFor(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		var metrics int
		collector := receiver{}
		collector.answerMetrics = func() error {
			if metrics++; metrics%3 == 2 {
				return status.Error(codes.PermissionDenied, "not this one")
			}
			return nil
		}
		o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
		o.LogsOTLP, o.Temporality, o.MetricInterval = nil, TemporalityDelta, time.Hour
		o, err := o.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		to, err := collectors(o)
		if err != nil {
			t.Fatal(err)
		}
		to[0].metrics.(*collectorMetrics).limit = 10_000
		p, err := newPipeline(o, to)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Shutdown(t.Context()) })
		const series = 500
		connectEach(p, series)
		e := p.outlets[0].metrics
		for range 20 {
			e.export(t.Context())
		}
		told := map[string]int64{}
		for _, request := range collector.requestsWithMetrics() {
			for _, m := range request.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
				if m.Name() != telemetry.TCPConnections.Name {
					continue
				}
				for _, point := range m.Sum().DataPoints().All() {
					name, _ := point.Attributes().Get(telemetry.Command)
					told[name.Str()] += point.IntValue()
				}
			}
		}
		for i := range series {
			if n := told[fmt.Sprint(i)]; n != 1 {
				t.Errorf("the connection of command %d was told %d times", i, n)
			}
		}
		if s := p.Status()[0].Metrics; s.Exported == 0 || len(s.Failed) == 0 {
			t.Errorf("status %+v", s)
		}
	})
}
