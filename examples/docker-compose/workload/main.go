// Command workload is a service with a mistake, as stacks have them: the database that it is configured for is not
// there. It asks itself for a page, which works, and connects to its database, which is refused, once a second.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

const (
	page     = "127.0.0.1:8080"
	database = "127.0.0.1:5432"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "workload:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	l, err := net.Listen("tcp", page)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	var working sync.WaitGroup
	working.Go(func() { work(ctx) })
	defer working.Wait()
	if err := server.Serve(l); ctx.Err() == nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

func work(ctx context.Context) {
	for tick := time.Tick(time.Second); ; {
		for _, address := range []string{page, database} {
			// Refused or not is kerntap's to tell; a service that swallows its errors is why one wants it.
			if c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address); err == nil {
				_ = c.Close()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
	}
}
