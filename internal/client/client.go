// Package client asks a kerntap's local API: one that runs beside this process, or one inside of it.
//
// Its law: it shows what it is told. What the API leaves out is not guessed.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kerntap/kerntap/internal/api"
)

const (
	// patience is how long one answer may take.
	patience = 10 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes: a thousand records, or all series of all metrics.
	maxAnswer = 64 << 20
)

// Client asks one kerntap. It is safe for concurrent use.
type Client struct {
	http http.Client
	base string
}

// New returns a client of the kerntap at address: host:port, unix:///path, or http(s)://host:port.
func New(address string) (*Client, error) {
	if strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://") {
		return &Client{http.Client{Timeout: patience}, strings.TrimSuffix(address, "/")}, nil
	}
	transport, err := api.NewTransport(address)
	if err != nil {
		return nil, err
	}
	return &Client{http.Client{Transport: transport, Timeout: patience}, "http://kerntap"}, nil
}

// InProcess returns a client of a kerntap in this process, which answers by handler.
func InProcess(handler http.Handler) *Client {
	return &Client{http.Client{Transport: api.InProcess(handler)}, "http://kerntap"}
}

// Alive tells whether a kerntap answers; nil if so.
func (c *Client) Alive(ctx context.Context) error {
	var answer struct {
		Service string `json:"service"`
	}
	if err := c.json(ctx, "/", nil, &answer); err != nil {
		return err
	}
	if answer.Service != "kerntap" {
		return errors.New("who answers there is not kerntap")
	}
	return nil
}

// Follow returns the events that came after a position, oldest first.
func (c *Client) Follow(ctx context.Context, after uint64) (answer api.FollowAnswer, err error) {
	err = c.json(ctx, "/api/follow", url.Values{"after": {strconv.FormatUint(after, 10)}, "limit": {"1000"}}, &answer)
	return answer, err
}

// Newest returns the position after which Follow returns what comes from now on.
func (c *Client) Newest(ctx context.Context) (uint64, error) {
	var answer api.FollowAnswer
	err := c.json(ctx, "/api/follow", nil, &answer)
	return answer.Next, err
}

// Events returns the newest events of a command, a part of its name, newest first.
func (c *Client) Events(ctx context.Context, command string, limit int) ([]api.Event, error) {
	var answer api.EventsAnswer
	err := c.json(ctx, "/api/events", url.Values{"command": {command}, "limit": {strconv.Itoa(limit)}}, &answer)
	return answer.Events, err
}

// Programs returns the programs with their counters.
func (c *Client) Programs(ctx context.Context) ([]api.Program, error) {
	var answer api.ProgramsAnswer
	err := c.json(ctx, "/api/programs", nil, &answer)
	return answer.Programs, err
}

// json asks for a path and decodes the answer.
func (c *Client) json(ctx context.Context, path string, query url.Values, answer any) error {
	body, err := c.get(ctx, path, query)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// get returns the body of an answer. Errors are of one line.
func (c *Client) get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path+encoded(query), nil)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask for %s: the answer is %q", path, response.Status)
	}
	return body, nil
}

func encoded(query url.Values) string {
	if len(query) == 0 {
		return ""
	}
	return "?" + query.Encode()
}

// Endpoints returns what the API's own index says of each method and path.
func (c *Client) Endpoints(ctx context.Context) (map[string]string, error) {
	var answer struct {
		Endpoints map[string]string `json:"endpoints"`
	}
	err := c.json(ctx, "/", nil, &answer)
	return answer.Endpoints, err
}
