package export

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func (r *receiver) serveHTTP(tb testing.TB, listener net.Listener) {
	if r.tls != nil {
		listener = tls.NewListener(listener, r.tls)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/logs", func(w http.ResponseWriter, request *http.Request) {
		body := r.read(tb, request)
		if body == nil && r.wrap != nil {
			return // the connection was reset
		}
		export := plogotlp.NewExportRequest()
		if err := export.UnmarshalProto(body); err != nil {
			tb.Error(err)
		}
		response, err := r.Export(request.Context(), export)
		if err != nil {
			refuseHTTP(w, err)
			return
		}
		answer, _ := response.MarshalProto()
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(answer)
	})
	if !r.noMetrics {
		mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, request *http.Request) {
			export := pmetricotlp.NewExportRequest()
			body := r.read(tb, request)
			if body == nil && r.wrap != nil {
				return // the connection was reset
			}
			if err := export.UnmarshalProto(body); err != nil {
				tb.Error(err)
			}
			response, err := (&metricsService{receiver: r}).Export(request.Context(), export)
			if err != nil {
				refuseHTTP(w, err)
				return
			}
			answer, _ := response.MarshalProto()
			w.Header().Set("Content-Type", "application/x-protobuf")
			_, _ = w.Write(answer)
		})
	}
	server := &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	r.stopped = sync.OnceFunc(func() {
		_ = server.Shutdown(context.Background()) // what was taken is also answered
		serving.Wait()
	})
}

// refuseHTTP answers as the OTLP specification translates the status of gRPC.
func refuseHTTP(w http.ResponseWriter, err error) {
	answer, _ := status.FromError(err)
	for _, detail := range answer.Details() {
		if retry, ok := detail.(*errdetails.RetryInfo); ok {
			w.Header().Set("Retry-After", strconv.Itoa(int(retry.RetryDelay.AsDuration().Seconds())))
		}
	}
	code, known := map[codes.Code]int{
		codes.ResourceExhausted: http.StatusTooManyRequests, codes.Unavailable: http.StatusServiceUnavailable,
		codes.Unimplemented: http.StatusNotFound, codes.PermissionDenied: http.StatusForbidden,
	}[answer.Code()]
	if !known {
		code = http.StatusBadRequest
	}
	http.Error(w, answer.Message(), code)
}

// read returns a request's body and keeps what came with it.
func (r *receiver) read(tb testing.TB, request *http.Request) []byte {
	var body io.Reader = request.Body
	if request.Header.Get("Content-Encoding") == "gzip" {
		unzip, err := gzip.NewReader(body)
		if err != nil {
			tb.Error(err)
			return nil
		}
		body = unzip
	}
	data, err := io.ReadAll(body)
	if err != nil && r.wrap != nil {
		return nil
	}
	if err != nil {
		tb.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.encoding = request.Header.Get("Content-Encoding")
	r.headers = map[string]string{}
	for name := range request.Header {
		r.headers[http.CanonicalHeaderKey(name)] = request.Header.Get(name)
	}
	return data
}

// lines is a diagnostic log that tests wait for lines of.
type lines struct {
	syncBuffer
	wrote chan struct{}
}

func newLines() *lines { return &lines{wrote: make(chan struct{}, 1)} }

func (l *lines) Write(p []byte) (int, error) {
	n, err := l.syncBuffer.Write(p)
	select {
	case l.wrote <- struct{}{}:
	default:
	}
	return n, err
}

// await returns once text stands in the log n times.
func (l *lines) await(tb testing.TB, text string, n int) {
	tb.Helper()
	deadline := time.After(patience)
	for bytes.Count(l.Bytes(), []byte(text)) < n {
		select {
		case <-l.wrote:
		case <-deadline:
			tb.Fatalf("%q does not stand %d times in:\n%s", text, n, l.Bytes())
		}
	}
}
