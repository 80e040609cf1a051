package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener in memory, so that a test can run on synctest's clock.
type pipes struct {
	accepted chan net.Conn
	closed   context.Context
	close    context.CancelFunc
}

func newPipes() *pipes {
	closed, cancel := context.WithCancel(context.Background())
	return &pipes{make(chan net.Conn), closed, cancel}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.accepted:
		return conn, nil
	case <-p.closed.Done():
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "/pipes", Net: "unix"} }

// dial returns the client's end of a new connection.
func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.accepted <- server
	return client
}

// serving runs serve with a handler until end is called, which returns what serve returned.
func serving(handler http.Handler) (p *pipes, end func() error) {
	p = newPipes()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, p, newHTTPServer(handler, slog.New(slog.DiscardHandler))) }()
	return p, func() error {
		cancel()
		return <-ended
	}
}

func get(t *testing.T, conn net.Conn, path string) {
	t.Helper()
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: kerntap\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
}

func TestServeFinishesWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, finish := make(chan struct{}), make(chan struct{})
		p, end := serving(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(begun)
			<-finish
			_, _ = io.WriteString(w, "finished")
		}))
		client := p.dial()
		get(t, client, "/")
		<-begun
		time.AfterFunc(patience/2, func() { close(finish) })
		ended := make(chan error, 1)
		go func() { ended <- end() }()
		response, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); err != nil || string(body) != "finished" {
			t.Errorf("answered %q, %v after the end was called", body, err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestServeDoesNotWaitForSilentClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, end := serving(http.NotFoundHandler())
		silent, idle := p.dial(), p.dial()
		get(t, idle, "/")
		if _, err := http.ReadResponse(bufio.NewReader(idle), nil); err != nil {
			t.Fatal(err)
		}
		called := time.Now()
		if err := end(); err != nil {
			t.Error(err)
		}
		if took := time.Since(called); took > shutdownTime {
			t.Errorf("the end took %s, want at most %s", took, shutdownTime)
		}
		if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the silent client read %v, want the end", err)
		}
	})
}

func TestServeGivesUpOnAStuckHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, stuck := make(chan struct{}), make(chan struct{})
		p, end := serving(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(begun); <-stuck }))
		get(t, p.dial(), "/")
		<-begun
		called := time.Now()
		err := end()
		if took := time.Since(called); err == nil || took != shutdownTime {
			t.Errorf("ended with %v after %s, want an error after %s", err, took, shutdownTime)
		}
		close(stuck)
	})
}

func TestSlowClientsAreCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, end := serving(New(fakeOptions()).Handler())
		for request, limit := range map[string]time.Duration{
			"":                               readHeaderTimeout,
			"GET /health HTTP/1.1\r\nHost: ": readHeaderTimeout,
			"POST " + attemptsPath + " HTTP/1.1\r\nHost: k\r\nContent-Length: 9\r\n\r\n{": readTimeout,
		} {
			begun, client := time.Now(), p.dial()
			if _, err := io.WriteString(client, request); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(client)
			// After an answer the server keeps reading for half a second, so that the answer can arrive.
			if took := time.Since(begun); err != nil || took < limit || took > limit+time.Second {
				t.Errorf("%q: cut off after %s (%v, %q), want %s", request, took, err, answer, limit)
			}
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestServerIsBoundedInTimeAndSize(t *testing.T) {
	server := newHTTPServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	for name, got := range map[string]time.Duration{
		"ReadHeaderTimeout": server.ReadHeaderTimeout, "ReadTimeout": server.ReadTimeout,
		"WriteTimeout": server.WriteTimeout, "IdleTimeout": server.IdleTimeout,
	} {
		if got <= 0 || got > time.Minute {
			t.Errorf("%s is %s, want a bound of a minute at most", name, got)
		}
	}
	if server.MaxHeaderBytes <= 0 || server.MaxHeaderBytes > maxBody {
		t.Errorf("MaxHeaderBytes is %d", server.MaxHeaderBytes)
	}
}

func TestServeTellsThatItsListenerFailed(t *testing.T) {
	p := newPipes()
	p.close()
	err := New(fakeOptions()).Serve(t.Context(), p)
	if !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "serve /pipes") {
		t.Errorf("serving a closed listener: %v", err)
	}
}
