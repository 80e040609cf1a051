package api

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// How long a client may take, and how much it may send before its request is read.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = time.Minute
	maxHeader         = 16 << 10
)

// How long the end of a server takes at most: requests under way may finish within patience, then their connections
// are closed, and within shutdownTime everything is over.
const (
	patience     = 2 * time.Second
	shutdownTime = 3 * time.Second
)

// Serve answers the whole API on listener until ctx ends, and closes the listener. When ctx has ended it lets requests
// under way finish for two seconds, closes what is left and returns nil within three, with nothing left behind; it
// returns an error if a handler outlives that, or if the listener fails earlier.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	return serve(ctx, listener, newHTTPServer(s.Handler(), s.options.Log))
}

// ServeProbe does what Serve does for the paths of Probe.
func (s *Server) ServeProbe(ctx context.Context, listener net.Listener) error {
	return serve(ctx, listener, newHTTPServer(s.Probe(), s.options.Log))
}

func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

func serve(ctx context.Context, listener net.Listener, server *http.Server) error {
	var open connections
	server.ConnState = open.track
	address := listener.Addr()
	// Closing the listener ends Serve below, in this goroutine; the rest of the shutdown then happens here too.
	release := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer release()
	failure := server.Serve(listener)
	if err := shutdown(server, &open); err != nil {
		return fmt.Errorf("stop serving %s: %w", address, err)
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve %s: %w", address, failure)
}

// shutdown ends the connections of a server that accepts no more. It has a deadline of its own: the context that
// called for the end is over.
func shutdown(server *http.Server, open *connections) error {
	end, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	gentle, cancelGentle := context.WithTimeout(end, patience)
	defer cancelGentle()
	if server.Shutdown(gentle) != nil {
		_ = server.Close()
	}
	return open.wait(end)
}
