package export

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
)

// What answers is not always a receiver: a redirect or a page that says 200 has taken nothing, and a redirect is not
// followed, for headers may hold secrets.
func TestAnAnswerThatIsNoReceiversIsAFailure(t *testing.T) {
	followed := make(chan struct{}, 1)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { notify(followed) }))
	defer elsewhere.Close()
	for cause, answer := range map[string]http.HandlerFunc{
		"302": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		causeNotOTLP: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte("<h1>Please log in</h1>"))
		},
	} {
		t.Run(cause, func(t *testing.T) {
			server := httptest.NewServer(answer)
			defer server.Close()
			p := begin(t, soon(ProtocolHTTP, server.Listener.Addr().String()))
			p.Handle(anEvent(0))
			_ = p.Shutdown(t.Context()) // says what failed
			if logs := p.Status()[0].Logs; logs.Exported != 0 || logs.Failed[cause] != 1 {
				t.Errorf("status %+v", logs)
			}
			select {
			case <-followed:
				t.Error("the redirect was followed")
			default:
			}
		})
	}
}

func TestAWarningIsNoRejection(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		collector := receiver{warning: "this API key expires tomorrow",
			answerLogs: func(plog.Logs) (int64, error) { return 0, nil }}
		p := begin(t, soon(protocol, collector.start(t, protocol, "127.0.0.1:0")))
		p.Handle(anEvent(0))
		collector.await(t, 1)
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if logs := p.Status()[0].Logs; logs.Exported != 1 || len(logs.Failed) != 0 {
			t.Errorf("status %+v", logs)
		}
	})
}

func TestRejectedPointsMakeAnExportOfMetricsFail(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		collector := receiver{rejectedPoints: 1}
		p := begin(t, soon(protocol, collector.start(t, protocol, "127.0.0.1:0")))
		p.Handle(benchEvent())
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if s := p.Status()[0].Metrics; s.Exported != 0 || s.Failed[causeRejected] != 1 || s.Failing != causeRejected {
			t.Errorf("status %+v", s)
		}
	})
}

func TestARequestThatIsNotAnsweredInTimeIsTriedAgain(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		late := make(chan struct{})
		var requests atomic.Int32
		collector := receiver{answerLogs: func(plog.Logs) (int64, error) {
			if requests.Add(1) == 1 {
				<-late
			}
			return 0, nil
		}}
		o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
		t.Cleanup(func() { close(late) })
		o.MetricsOTLP, o.LogsOTLP.Timeout = nil, 100*time.Millisecond
		p := begin(t, o)
		p.Handle(anEvent(0))
		collector.await(t, 1)
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if logs := p.Status()[0].Logs; logs.Exported != 1 || requests.Load() != 2 {
			t.Errorf("%d requests, status %+v", requests.Load(), logs)
		}
	})
}
