package export

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
)

// brokenPipe takes some bytes and then nothing more.
type brokenPipe struct{ room int }

func (b *brokenPipe) Write(p []byte) (int, error) {
	n := min(b.room, len(p))
	b.room -= n
	if n < len(p) {
		return n, syscall.EPIPE
	}
	return n, nil
}

func TestNewRefusesWhatCannotBeMeant(t *testing.T) {
	for want, o := range map[string]Options{
		`unknown console "xml"`:                     {Console: "xml"},
		"metric interval -1s is negative":           {MetricInterval: -time.Second},
		"queue size -1 or batch size 0 is negative": {QueueSize: -1},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestWithoutAConsoleThereAreOnlyMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(Options{Out: &brokenPipe{}})
		if err != nil {
			t.Fatal(err)
		}
		e := anEvent(0)
		e.measured = append(e.measured, connectionOf("curl", "client", ""))
		p.Handle(e)
		if status := p.Status(); len(status) != 0 {
			t.Errorf("status = %+v", status)
		}
		if text := exposition(t, p); !strings.Contains(text, "kerntap_tcp_connections_total") {
			t.Errorf("no counter in:\n%s", text)
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestOnlyExportedDescribedEventsBecomeRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exporter := &fakeExporter{}
		p := start(t, Options{}, toFake(exporter))
		for _, detail := range []bpf.Detail{bpf.Counted, bpf.Kept, bpf.Exported} {
			e := anEvent(0)
			e.detail = detail
			p.Handle(e)
		}
		p.Handle(&bare{})
		if status := p.Status()[0].Logs; status.Emitted != 1 {
			t.Errorf("status = %+v", status)
		}
	})
}

func TestShutdownFlushesAndMayBeCalledTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p, err := New(Options{Console: ConsoleText, Out: &out})
		if err != nil {
			t.Fatal(err)
		}
		p.Handle(anEvent(0))
		for range 2 {
			if err := p.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if lines := strings.Count(out.String(), "\n"); lines != 2 {
			t.Errorf("%d lines, want a record and a summary:\n%s", lines, &out)
		}
		p.Handle(anEvent(0))
		status := p.Status()[0].Logs
		checkIdentity(t, status)
		if status.Dropped[causeShutdown] != 1 || status.Exported != 1 {
			t.Errorf("status = %+v", status)
		}
	})
}

func TestFailingWriterIsCountedNotFatal(t *testing.T) {
	for _, console := range []string{ConsoleText, ConsoleJSON} {
		t.Run(console, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, err := New(Options{Console: console, Out: &brokenPipe{room: 200}})
				if err != nil {
					t.Fatal(err)
				}
				e := anEvent(0)
				e.measured = append(e.measured, connectionOf("curl", "client", ""))
				for range 10 {
					p.Handle(e)
				}
				if err := p.Shutdown(t.Context()); !errors.Is(err, syscall.EPIPE) {
					t.Errorf("shutdown: %v", err)
				}
				status := p.Status()[0]
				checkIdentity(t, status.Logs)
				if status.Logs.Failed["broken_pipe"] == 0 || status.Metrics.Failed["broken_pipe"] != 1 {
					t.Errorf("status = %+v", status)
				}
				if wholeLine := status.Logs.Exported; console == ConsoleText && wholeLine == 0 {
					t.Error("a whole line that was written is not counted")
				}
			})
		})
	}
}

func TestShutdownDoesNotWaitForAWriteThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read, write := io.Pipe()
		p, err := New(Options{Console: ConsoleJSON, Out: write})
		if err != nil {
			t.Fatal(err)
		}
		p.Handle(anEvent(0))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		checkIdentity(t, p.Status()[0].Logs)
		read.Close() // lets go of the write, so that nothing is left
		<-p.stopped
		checkIdentity(t, p.Status()[0].Logs)
	})
}

func TestFailedMetricExportsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := toFake(&fakeExporter{})
		broken := errors.New("nobody there")
		d.metrics = &fakeMetrics{err: broken}
		p := start(t, Options{MetricInterval: time.Second}, d)
		pass(3 * time.Second)
		if err := p.Shutdown(t.Context()); !errors.Is(err, broken) {
			t.Errorf("shutdown: %v", err)
		}
		if status := p.Status()[0].Metrics; status.Failed["_OTHER"] != 4 || status.Exported != 0 {
			t.Errorf("status = %+v, want 3 periodic failures and the last one", status)
		}
	})
}

// exposition returns what Prometheus would read.
func exposition(tb testing.TB, p *Pipeline) string {
	tb.Helper()
	response := httptest.NewRecorder()
	p.MetricsHandler().ServeHTTP(response, httptest.NewRequest("GET", "/metrics", nil))
	if response.Code != 200 {
		tb.Errorf("status %d: %s", response.Code, response.Body)
	}
	return response.Body.String()
}

func TestHandleStatusScrapeAndShutdownTogether(t *testing.T) {
	p, err := New(Options{Console: ConsoleJSON, Out: io.Discard, Programs: somePrograms, QueueSize: 1000,
		MetricInterval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	const emitted = 20000
	var group sync.WaitGroup
	group.Go(func() {
		e := benchEvent()
		for range emitted {
			p.Handle(e)
		}
	})
	group.Go(func() {
		for range 20 {
			checkIdentity(t, p.Status()[0].Logs)
			exposition(t, p)
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
	group.Wait()
	status := p.Status()[0].Logs
	checkIdentity(t, status)
	if status.Emitted != emitted || status.Queued != 0 {
		t.Errorf("status = %+v", status)
	}
}
