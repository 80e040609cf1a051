package export

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kerntap/kerntap/internal/telemetry"
)

func TestACollectorWithoutMetricsTakesLogs(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		collector := receiver{noMetrics: true}
		diagnostics := newLines()
		o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
		o.MetricInterval, o.Log = 10*time.Millisecond, slog.New(slog.NewTextHandler(diagnostics, nil))
		p := begin(t, o)
		diagnostics.await(t, "export failed", 1)
		p.Handle(anEvent(0))
		collector.await(t, 1)
		if err := p.Shutdown(t.Context()); err != nil {
			t.Errorf("shutdown fails for the metrics' sake: %v", err)
		}
		s := p.Status()[0]
		cause := map[string]string{ProtocolGRPC: "unimplemented", ProtocolHTTP: "404"}[protocol]
		if s.Logs.Exported != 1 || s.Metrics.Exported != 0 || s.Metrics.Failed[cause] == 0 || s.Metrics.Failing != cause {
			t.Errorf("status %+v", s)
		}
		if n := strings.Count(string(diagnostics.Bytes()), "\n"); n != 1 {
			t.Errorf("%d lines:\n%s", n, diagnostics.Bytes())
		}
	})
}

func TestACollectorThatComesLateAndGoesAndComesLosesNothing(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		var placeholder receiver
		address := placeholder.start(t, protocol, "127.0.0.1:0")
		placeholder.stop()
		diagnostics := newLines()
		o := soon(protocol, address)
		o.Log, o.MetricInterval = slog.New(slog.NewTextHandler(diagnostics, nil)), time.Hour
		p := begin(t, o)
		var collector receiver
		sent := 0
		for round := range 3 {
			for range 2 * maxBatch {
				e := anEvent(0)
				e.body = fmt.Sprint(sent)
				p.Handle(e)
				sent++
			}
			diagnostics.await(t, "waiting for the collector", round+1)
			if !p.Status()[0].Waiting {
				t.Error("the status does not say that the collector is away")
			}
			collector.start(t, protocol, address)
			collector.await(t, sent)
			diagnostics.await(t, "takes telemetry again", round+1)
			collector.stop()
		}
		if n := collector.distinct(); n != sent {
			t.Errorf("%d different records arrived, %d were sent", n, sent)
		}
		if n := strings.Count(string(diagnostics.Bytes()), "\n"); n != 6 {
			t.Errorf("%d lines, want two a round:\n%s", n, diagnostics.Bytes())
		}
	})
}

func TestGivenUpRecordsAreCountedByCause(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		var nobody receiver
		address := nobody.start(t, protocol, "127.0.0.1:0")
		nobody.stop()
		o := soon(protocol, address)
		o.MetricsOTLP, o.LogTimeout = nil, 30*time.Millisecond
		p := begin(t, o)
		p.Handle(anEvent(0))
		if err := p.Shutdown(t.Context()); err == nil {
			t.Errorf("shutdown: %v", err)
		}
		s := p.Status()[0].Logs
		checkIdentity(t, s)
		if s.Failed[causeUnavailable] != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestRefusedAndRejectedRecordsAreCountedByCause(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		round := 0
		collector := receiver{answerLogs: func(plog.Logs) (int64, error) {
			if round++; round == 1 {
				return 0, status.Error(codes.InvalidArgument, "no")
			}
			return 2, nil
		}}
		o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
		o.MetricsOTLP, o.LogBatch, o.LogDelay, o.Programs = nil, 5, time.Hour, somePrograms
		p := begin(t, o)
		for range 10 {
			p.Handle(anEvent(0))
		}
		_ = p.Shutdown(t.Context())
		s := p.Status()[0].Logs
		checkIdentity(t, s)
		refused := map[string]string{ProtocolGRPC: "invalid_argument", ProtocolHTTP: "400"}[protocol]
		if want := map[string]uint64{refused: 5, causeRejected: 2}; !maps.Equal(s.Failed, want) || s.Exported != 3 {
			t.Errorf("status %+v, want failed %v", s, want)
		}
		sums := outcomes(p.Status())
		if sums[outcome{telemetry.OutcomeFailed, causeRejected}] != 2 || sums[outcome{name: telemetry.OutcomeExported}] != 3 {
			t.Errorf("outcomes %v", sums)
		}
	})
}

func TestRequestsStayBelowWhatACollectorTakes(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		var collector receiver
		o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
		o.MetricsOTLP, o.LogDelay = nil, time.Hour
		p := begin(t, o)
		for i := range 100 {
			e := anEvent(0)
			e.body = strings.Repeat("x", 100_000+i)
			if i == 50 {
				e.body = strings.Repeat("x", 5<<20)
			}
			p.Handle(e)
		}
		_ = p.Shutdown(t.Context())
		s := p.Status()[0].Logs
		checkIdentity(t, s)
		if s.Exported != 99 || s.Failed[causeTooLarge] != 1 || len(collector.bodies()) != 99 {
			t.Errorf("exported %d, failed %v", s.Exported, s.Failed)
		}
		if collector.largest > 4<<20 || collector.largest < 3<<20 {
			t.Errorf("largest request %d bytes", collector.largest)
		}
	})
}

func TestNewRefusesCollectorsThatCannotBeMeant(t *testing.T) {
	for want, to := range map[string]*OTLP{
		`otlp logs: unknown protocol "http/json"`: {Protocol: "http/json"},
		"otlp logs: no endpoint":                  {Protocol: ProtocolGRPC},
		"otlp logs: timeout 0s is not positive":   {Protocol: ProtocolGRPC, Endpoint: "localhost:4317"},
	} {
		if _, err := New(Options{LogsOTLP: to, Out: io.Discard}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
