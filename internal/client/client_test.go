package client

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answers are a kerntap's, by path and query; any other is 404.
func answers() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := map[string]string{
			"/":                                 `{"service":"kerntap"}`,
			"/api/follow":                       `{"events":[],"next":41}`,
			"/api/follow?after=41&limit=1000":   `{"events":[{"pid":7,"command":"curl"}],"next":42,"missed":3,"more":true}`,
			"/api/events?command=a+b&limit=20":  `{"events":[{"pid":8}]}`,
			"/api/programs":                     `{"programs":[{"name":"connection","counters":{"throttled":5}}]}`,
			"/metrics":                          "# TYPE c counter\nc{a=\"b\"} 2\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\nh_sum 1.5\nh_count 3\n# TYPE g gauge\ng 4\n",
			"/api/follow?after=666&limit=1000":  `{"events":`,
			"/api/events?command=none&limit=20": ``,
		}[r.URL.RequestURI()]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(text))
	})
}

// serving answers at an address until the test ends.
func serving(t *testing.T, network, address string) string {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(answers())
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return listener.Addr().String()
}

func TestAClientReadsAnswers(t *testing.T) {
	tcp := serving(t, "tcp", "127.0.0.1:0")
	unix := "unix://" + serving(t, "unix", filepath.Join(t.TempDir(), "s"))
	for _, address := range []string{tcp, unix, "http://" + tcp + "/", "in this process"} {
		t.Run(address, func(t *testing.T) {
			c := InProcess(answers())
			if address != "in this process" {
				var err error
				if c, err = New(address); err != nil {
					t.Fatal(err)
				}
				defer c.http.CloseIdleConnections()
			}
			readAll(t, c)
		})
	}
}

func readAll(t *testing.T, c *Client) {
	t.Helper()
	ctx := t.Context()
	if err := c.Alive(ctx); err != nil {
		t.Error(err)
	}
	if n, err := c.Newest(ctx); n != 41 || err != nil {
		t.Errorf("newest: %d, %v", n, err)
	}
	followed, err := c.Follow(ctx, 41)
	if err != nil || followed.Next != 42 || followed.Missed != 3 || !followed.More || followed.Events[0].Command != "curl" {
		t.Errorf("followed: %+v, %v", followed, err)
	}
	if events, err := c.Events(ctx, "a b", 20); err != nil || len(events) != 1 || events[0].PID != 8 {
		t.Errorf("events: %+v, %v", events, err)
	}
	if programs, err := c.Programs(ctx); err != nil || len(programs) != 1 || programs[0].Counters.Throttled != 5 {
		t.Errorf("programs: %+v, %v", programs, err)
	}
	metrics, err := c.Metrics(ctx)
	if err != nil || metrics["c"][0].Value != 2 || metrics["c"][0].Labels["a"] != "b" || metrics["h"][0].Value != 1.5 ||
		metrics["h"][0].Count != 3 || metrics["g"][0].Value != 4 {
		t.Errorf("metrics: %+v, %v", metrics, err)
	}
}

func TestBadAnswersAreErrors(t *testing.T) {
	c := InProcess(answers())
	if _, err := c.Follow(t.Context(), 666); err == nil || !strings.HasPrefix(err.Error(), "read /api/follow: ") {
		t.Errorf("half an answer: %v", err)
	}
	if _, err := c.Events(t.Context(), "nobody", 1); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("no such path: %v", err)
	}
	other := InProcess(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"service":"x"}`)) }))
	if err := other.Alive(t.Context()); err == nil {
		t.Error("another service is taken for kerntap")
	}
	if _, err := New("nowhere"); err == nil {
		t.Error("an address without a port is taken")
	}
	if _, err := ParseMetrics([]byte("a{")); err == nil {
		t.Error("half a metric is taken")
	}
}

func TestNobodyAnswers(t *testing.T) {
	c, err := New("unix://" + filepath.Join(t.TempDir(), "absent"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Alive(context.Background()); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}
