package export

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// A collector that is back just before the end gets what has waited for it, however long the next attempt would have
// been in coming.
func TestACollectorThatIsBackAtTheEndGetsEverything(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		var collector receiver
		address := collector.start(t, protocol, "127.0.0.1:0")
		o := soon(protocol, address)
		o.firstRetry, o.slowestRetry, o.Programs = time.Hour, time.Hour, somePrograms
		p := begin(t, o)
		handleNumbered(p, 0, 10)
		collector.await(t, 10)
		collector.stop()
		handleNumbered(p, 10, 20)
		awaitWaiting(t, p)
		collector.start(t, protocol, address)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if s := p.Status()[0].Logs; s.Exported != 20 || len(collector.bodies()) != 20 || collector.distinct() != 20 {
			t.Errorf("%d records arrived: %+v", len(collector.bodies()), s)
		}
		if s := p.Status()[0].Metrics; s.Exported == 0 || len(s.Failed) > 0 {
			t.Errorf("%+v", s)
		}
	})
}

// An attempt that is under way when the end comes is waited for, not made again: what it sent may have arrived. If it is
// turned away, the next one comes at once, also where the collector asked for patience.
func TestAnAttemptUnderWayAtTheEndIsWaitedFor(t *testing.T) {
	for name, refusal := range map[string]error{
		"and taken":            nil,
		"and turned away":      status.Error(codes.Unavailable, "not yet"),
		"and told to be later": patience1h(t),
	} {
		each(t, func(t *testing.T, protocol string) {
			t.Run(name, func(t *testing.T) { endDuringAttempt(t, protocol, refusal) })
		})
	}
}

func endDuringAttempt(t *testing.T, protocol string, refusal error) {
	arrived, end := make(chan struct{}, 10), make(chan struct{})
	var requests atomic.Int32
	collector := receiver{answerLogs: func(plog.Logs) (int64, error) {
		first := requests.Add(1) == 1
		arrived <- struct{}{}
		<-end
		if first {
			return 0, refusal
		}
		return 0, nil
	}}
	o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
	o.firstRetry, o.slowestRetry, o.Programs = time.Hour, time.Hour, somePrograms
	p := begin(t, o)
	handleNumbered(p, 0, 10)
	<-arrived
	stopped := make(chan error)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() { stopped <- p.Shutdown(ctx) }()
	awaitClosed(t, p)
	close(end)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	want := int32(1)
	if refusal != nil {
		want = 2
	}
	if s := p.Status()[0].Logs; s.Exported != 10 || requests.Load() != want || len(collector.bodies()) != 10 {
		t.Errorf("%d requests: %+v", requests.Load(), s)
	}
}

// patience1h is an answer that asks to come again in an hour.
func patience1h(t *testing.T) error {
	t.Helper()
	answer, err := status.New(codes.ResourceExhausted, "full").WithDetails(
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Err()
}

// awaitClosed returns once the pipeline takes no more events.
func awaitClosed(t *testing.T, p *Pipeline) {
	t.Helper()
	for deadline := time.After(patience); p.Status()[0].Logs.Dropped[causeShutdown] == 0; {
		select {
		case <-time.After(5 * time.Millisecond):
			handleNumbered(p, 10, 11)
		case <-deadline:
			t.Fatalf("it takes events still: %+v", p.Status()[0])
		}
	}
}
