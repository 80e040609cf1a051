package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
)

// connections counts the connections of one http.Server, each of which has a goroutine, so that their end can be
// awaited: http.Server.Close does not wait for them.
type connections struct {
	mu   sync.Mutex
	open int
	// gone is closed when the last connection ends, and nil while nobody waits.
	gone chan struct{}
}

// track is a http.Server.ConnState hook. The server calls it once with StateNew, before the connection's goroutine
// starts, and once with StateClosed or StateHijacked at the end.
func (c *connections) track(_ net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open++
	case http.StateClosed, http.StateHijacked:
		c.open--
		if c.open == 0 && c.gone != nil {
			close(c.gone)
			c.gone = nil
		}
	}
}

// wait blocks until no connection is left, or until ctx ends. Call it once, when no new connection can come.
func (c *connections) wait(ctx context.Context) error {
	c.mu.Lock()
	if c.open == 0 {
		c.mu.Unlock()
		return nil
	}
	gone := make(chan struct{})
	c.gone = gone
	open := c.open
	c.mu.Unlock()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %d requests under way: %w", open, ctx.Err())
	}
}
