package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	collogpb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// maxResponse is the most bytes of an answer that are read.
const maxResponse = 1 << 20

// newHTTPLogs gives every option, so that none is left for the SDK to find in the environment.
func newHTTPLogs(o Options, to *OTLP, r *requests) (sdklog.Exporter, error) {
	compression := otlploghttp.NoCompression
	if to.Gzip {
		compression = otlploghttp.GzipCompression
	}
	return otlploghttp.New(context.Background(),
		otlploghttp.WithEndpointURL(to.Endpoint),
		otlploghttp.WithHTTPClient(httpClient(to, r, func() proto.Message { return &collogpb.ExportLogsServiceResponse{} })),
		otlploghttp.WithTLSClientConfig(nil), // the client has it
		otlploghttp.WithHeaders(to.Headers),
		otlploghttp.WithCompression(compression),
		otlploghttp.WithRetry(otlploghttp.RetryConfig{
			Enabled: true, InitialInterval: o.firstRetry, MaxInterval: o.slowestRetry}),
	)
}

func newHTTPMetrics(o Options, to *OTLP, r *requests) (sdkmetric.Exporter, error) {
	compression := otlpmetrichttp.NoCompression
	if to.Gzip {
		compression = otlpmetrichttp.GzipCompression
	}
	return otlpmetrichttp.New(context.Background(),
		otlpmetrichttp.WithEndpointURL(to.Endpoint),
		otlpmetrichttp.WithHTTPClient(
			httpClient(to, r, func() proto.Message { return &colmetricpb.ExportMetricsServiceResponse{} })),
		otlpmetrichttp.WithTLSClientConfig(nil),
		otlpmetrichttp.WithHeaders(to.Headers),
		otlpmetrichttp.WithCompression(compression),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{
			Enabled: true, InitialInterval: o.firstRetry, MaxInterval: o.slowestRetry}),
		otlpmetrichttp.WithTemporalitySelector(temporalitySelector(o.Temporality)),
		otlpmetrichttp.WithAggregationSelector(aggregationSelector(o.ExponentialHistograms)),
	)
}

// httpClient returns a client whose requests are watched.
func httpClient(to *OTLP, r *requests, response func() proto.Message) *http.Client {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     to.TLS,
		ForceAttemptHTTP2:   true,
		IdleConnTimeout:     90 * time.Second,
		MaxIdleConnsPerHost: 1,
	}
	r.close = transport.CloseIdleConnections
	return &http.Client{
		Transport: &watchedTransport{RoundTripper: transport, requests: r, response: response},
		// Whoever redirects is no receiver, and headers may hold secrets that are not meant for another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// watchedTransport sends requests and enters their results.
type watchedTransport struct {
	http.RoundTripper
	requests *requests
	response func() proto.Message
}

// RoundTrip sends one request and reads its whole answer, so that the time of the request bounds both.
func (t *watchedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(request.Context(), t.requests.timeout)
	defer cancel()
	t.requests.pause(false)
	response, body, err := t.roundTrip(request.WithContext(ctx))
	if request.Context().Err() != nil {
		return response, err // whoever exports has given up; that says nothing of the collector
	}
	if err != nil {
		t.requests.cause = causeUnavailable
		t.requests.report(err, true)
		return nil, transientError{err}
	}
	if isWebPage(response) {
		t.requests.cause = causeNotOTLP
		t.requests.report(nil, false)
		return nil, errWebPage
	}
	t.enter(response, body)
	return response, nil
}

// errWebPage is the answer of something else than a receiver: a proxy's log-in page, or a console's front page.
var errWebPage = errors.New("the answer is a web page: no OTLP receiver is at that address")

// isWebPage tells whether an answer that looks like success was made for people. Receivers answer with a message, and
// some with nothing or a word.
func isWebPage(response *http.Response) bool {
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return err == nil && kind == "text/html" && response.StatusCode/100 == 2
}

func (t *watchedTransport) roundTrip(request *http.Request) (*http.Response, []byte, error) {
	response, err := t.RoundTripper.RoundTrip(request)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err := response.Body.Close(); err != nil {
		return nil, nil, err
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the answer: %w", err)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, body, nil
}

// enter enters an answer. The SDK tries again after the four statuses that the OTLP specification names.
func (t *watchedTransport) enter(response *http.Response, body []byte) {
	if response.StatusCode/100 == 2 {
		answer := t.response()
		if err := proto.Unmarshal(body, answer); err != nil {
			answer = nil // a word instead of a message: the request was taken all the same
		}
		t.requests.answered(answer)
		return
	}
	t.requests.cause = strconv.Itoa(response.StatusCode)
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		t.requests.report(fmt.Errorf("the collector answers %s", response.Status), true)
	default:
		t.requests.report(nil, false)
	}
}

// transientError makes the SDK try again, which it does after errors that say they are temporary; a refused connection
// does not say so, and a collector that is not there yet refuses connections.
type transientError struct{ error }

// Temporary is what the SDK asks.
func (transientError) Temporary() bool { return true }

func (e transientError) Unwrap() error { return e.error }
