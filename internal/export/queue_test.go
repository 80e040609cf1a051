package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// stall returns an exporter that does not return before release is called, and then takes everything.
func stall() (exporter *fakeExporter, release func()) {
	gate := make(chan struct{})
	return &fakeExporter{export: func(context.Context, []sdklog.Record) error {
		<-gate
		return nil
	}}, func() { close(gate) }
}

func TestStalledExporterLosesNothingUncounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, emitted = 2000, 5000
		exporter, release := stall()
		p := start(t, Options{QueueSize: size}, toFake(exporter))
		for i := range emitted {
			p.Handle(anEvent(time.Duration(i))) // a Handle that waited for the exporter would be a deadlock here
			checkIdentity(t, p.Status()[0].Logs)
		}
		status := p.Status()[0].Logs
		if status.Queued != size || status.Dropped[causeQueueFull] != emitted-size || status.Exported != 0 {
			t.Errorf("while stalled: %+v", status)
		}
		release()
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		status = p.Status()[0].Logs
		checkIdentity(t, status)
		if status.Emitted != emitted || status.Exported != size || status.Queued != 0 {
			t.Errorf("at the end: %+v", status)
		}
		if len(exporter.bodies) != size {
			t.Errorf("exporter saw %d records, want %d", len(exporter.bodies), size)
		}
	})
}

func TestOneDestinationDoesNotHarmTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, emitted = 10, 100
		stalled, release := stall()
		healthy := &fakeExporter{}
		p := start(t, Options{QueueSize: size}, toFake(stalled), toFake(healthy))
		for range emitted {
			p.Handle(anEvent(0))
			synctest.Wait() // the healthy one keeps up
		}
		release()
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		status := p.Status()
		for _, s := range status {
			checkIdentity(t, s.Logs)
		}
		if s := status[0].Logs; s.Exported != size || s.Dropped[causeQueueFull] != emitted-size {
			t.Errorf("stalled: %+v", s)
		}
		if s := status[1].Logs; s.Exported != emitted {
			t.Errorf("healthy: %+v", s)
		}
	})
}

func TestQueueTakesAgainOnceItHasRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exporter := &fakeExporter{}
		p := start(t, Options{QueueSize: 10}, toFake(exporter))
		for range 3 {
			for range 12 {
				p.Handle(anEvent(0))
				// A full batch is exported at once; only when all goroutines rest is the queue empty again.
			}
			pass(consoleLogInterval)
		}
		status := p.Status()[0].Logs
		checkIdentity(t, status)
		if status.Exported+status.Dropped[causeQueueFull] != 36 || status.Exported < 30 {
			t.Errorf("status = %+v", status)
		}
	})
}

func TestQueueExportsInOrderAndInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exporter, release := stall()
		p := start(t, Options{}, toFake(exporter))
		var want []string
		for i := range 3*maxBatch + 7 {
			e := anEvent(0)
			e.body = fmt.Sprint(i)
			want = append(want, e.body)
			p.Handle(e)
		}
		release()
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if !slices.Equal(exporter.bodies, want) {
			t.Error("records are not in the order of the events")
		}
		if slices.Max(exporter.sizes) > maxBatch {
			t.Errorf("batches of %v", exporter.sizes)
		}
		if exporter.shut != 1 {
			t.Errorf("exporter was shut down %d times", exporter.shut)
		}
	})
}

func TestRecordsDoNotWaitLongerThanTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, Options{}, toFake(&fakeExporter{}))
		p.Handle(anEvent(0))
		synctest.Wait()
		if n := p.Status()[0].Logs.Exported; n != 0 {
			t.Errorf("%d records exported at once", n)
		}
		pass(consoleLogInterval)
		if n := p.Status()[0].Logs.Exported; n != 1 {
			t.Errorf("%d records exported after the interval", n)
		}
	})
}

func TestFailedRecordsAreCountedByCause(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		failed map[string]uint64
	}{
		"other":    {errors.New("broken"), map[string]uint64{"_OTHER": 5}},
		"pipe":     {fmt.Errorf("write: %w", syscall.EPIPE), map[string]uint64{"broken_pipe": 5}},
		"disk":     {syscall.ENOSPC, map[string]uint64{"no_space": 5}},
		"deadline": {context.DeadlineExceeded, map[string]uint64{"timed_out": 5}},
		"partial":  {&partialError{exported: 3, err: syscall.EPIPE}, map[string]uint64{"broken_pipe": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				exporter := &fakeExporter{export: func(context.Context, []sdklog.Record) error { return test.err }}
				p := start(t, Options{}, toFake(exporter))
				for range 5 {
					p.Handle(anEvent(0))
				}
				if err := p.Shutdown(t.Context()); !errors.Is(err, test.err) {
					t.Errorf("shutdown: %v", err)
				}
				status := p.Status()[0].Logs
				checkIdentity(t, status)
				if !maps.Equal(status.Failed, test.failed) {
					t.Errorf("failed = %v, want %v", status.Failed, test.failed)
				}
			})
		})
	}
}

func TestShutdownThatRunsOutOfTimeCountsTheRestAsFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exporter := &fakeExporter{export: func(ctx context.Context, _ []sdklog.Record) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		p := start(t, Options{}, toFake(exporter))
		const emitted = 3*maxBatch + 1
		for range emitted {
			p.Handle(anEvent(0))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := p.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		if took := time.Since(began); took != 700*time.Millisecond {
			t.Errorf("shutdown took %s", took)
		}
		synctest.Wait()
		status := p.Status()[0].Logs
		checkIdentity(t, status)
		if status.Failed[causeShutdown] != emitted {
			t.Errorf("status = %+v", status)
		}
	})
}

func TestDiagnosticsSpeakOfChangesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		broken := true
		exporter := &fakeExporter{export: func(context.Context, []sdklog.Record) error {
			if broken {
				return errors.New("nobody there")
			}
			return nil
		}}
		p := start(t, Options{QueueSize: 2, Log: slog.New(slog.NewTextHandler(&log, nil))}, toFake(exporter))
		for i := range 10 {
			broken = i < 5
			for range 4 {
				p.Handle(anEvent(0))
			}
			pass(consoleLogInterval)
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		for message, want := range map[string]int{"export failed": 1, "export works again": 1, "were dropped": 1} {
			if n := strings.Count(log.String(), message); n != want {
				t.Errorf("%q logged %d times, want %d:\n%s", message, n, want, &log)
			}
		}
	})
}
