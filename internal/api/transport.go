package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// NewTransport returns a transport whose requests all go to the kerntap that listens at address (host:port or
// unix:///path), whatever host they name. It uses no proxy: the answer must be that kerntap's.
func NewTransport(address string) (*http.Transport, error) {
	network, target, err := splitAddress(address)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w: give host:port, such as 127.0.0.1:4319, or unix:///path", address, err)
	}
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, target)
		},
		MaxResponseHeaderBytes: maxHeader,
	}, nil
}

// InProcess returns a transport that hands requests to a handler of this process.
func InProcess(handler http.Handler) http.RoundTripper { return inProcess{handler} }

type inProcess struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper. The whole answer is in memory when it returns.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := memoryAnswer{header: make(http.Header), status: http.StatusOK}
	if r.Body == nil {
		r = r.Clone(r.Context())
		r.Body = http.NoBody
	}
	p.handler.ServeHTTP(&answer, r)
	return &http.Response{
		Status:        fmt.Sprint(answer.status, " ", http.StatusText(answer.status)),
		StatusCode:    answer.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        answer.header,
		Body:          io.NopCloser(&answer.body),
		ContentLength: int64(answer.body.Len()),
		Request:       r,
	}, nil
}

// memoryAnswer is an http.ResponseWriter that keeps what is written.
type memoryAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *memoryAnswer) Header() http.Header            { return a.header }
func (a *memoryAnswer) WriteHeader(status int)         { a.status = status }
func (a *memoryAnswer) Write(body []byte) (int, error) { return a.body.Write(body) }
