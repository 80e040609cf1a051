package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// witness is a collector in this process that keeps what it is told, and by whom.
type witness struct {
	plogotlp.UnimplementedGRPCServer
	// answer may turn away the nth request with log records, counted from 1, or some of its records.
	answer func(n int) (rejected int64, err error)

	mu       sync.Mutex
	cut      int // how many connections are still to end in the middle
	requests int
	senders  []string // of each record of a failed connect: the serial of its sender's certificate, and its header x-token
	taken    int64
	told     facts
}

// start serves at a TCP address over gRPC, with or without certificates, until the test ends.
func (w *witness) start(t *testing.T, address string, config *tls.Config) string {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.serve("grpc", listener, config))
	return listener.Addr().String()
}

// startIn serves inside a network namespace until stop is called, at a port of its own choice if it is 0, and returns
// it.
func (w *witness) startIn(t *testing.T, ns *place, protocol string, port int) (int, func()) {
	t.Helper()
	var listener net.Listener
	var err error
	ns.Do(func() { listener, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)) })
	if err != nil {
		t.Fatal(err)
	}
	return listener.Addr().(*net.TCPAddr).Port, w.serve(protocol, listener, nil)
}

// serve returns what ends it.
func (w *witness) serve(protocol string, listener net.Listener, config *tls.Config) (stop func()) {
	listener = cutting{listener, w}
	if protocol != "grpc" {
		server := &http.Server{Handler: w}
		return serving(func() { _ = server.Serve(listener) }, func() { _ = server.Close() })
	}
	var options []grpc.ServerOption
	if config != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
	}
	server := grpc.NewServer(options...)
	plogotlp.RegisterGRPCServer(server, w)
	pmetricotlp.RegisterGRPCServer(server, &witnessOfMetrics{witness: w})
	return serving(func() { _ = server.Serve(listener) }, server.Stop)
}

// serving serves until what it returns is called.
func serving(serve, end func()) (stop func()) {
	var running sync.WaitGroup
	running.Go(serve)
	return func() {
		end()
		running.Wait()
	}
}

// cutting accepts connections of which the first end in the middle of what they bring.
type cutting struct {
	net.Listener
	of *witness
}

// beginning is enough for a connection's preface and settings, and less than any batch.
const beginning = 4 << 10

func (c cutting) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &cut{Conn: conn, of: c.of, left: beginning}, nil
}

// cut is a connection that ends after so many bytes, if one is still to do so.
type cut struct {
	net.Conn
	of   *witness
	left int
}

func (c *cut) Read(into []byte) (int, error) {
	n, err := c.Conn.Read(into)
	if c.left -= n; c.left > 0 || err != nil {
		return n, err
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.of.cut > 0 {
		c.of.cut--
		return 0, errors.Join(io.ErrUnexpectedEOF, c.Conn.Close())
	}
	return n, nil
}

// Export takes log records.
func (w *witness) Export(ctx context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	response := plogotlp.NewExportResponse()
	w.mu.Lock()
	w.requests++
	n := w.requests
	w.mu.Unlock()
	if w.answer != nil {
		rejected, err := w.answer(n)
		if err != nil {
			return response, err
		}
		response.PartialSuccess().SetRejectedLogRecords(min(rejected, int64(request.Logs().LogRecordCount())))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken += int64(request.Logs().LogRecordCount()) - response.PartialSuccess().RejectedLogRecords()
	for record := range recordsOf(request.Logs()) {
		if record.EventName() == "kerntap.tcp.connection.failed" {
			w.senders = append(w.senders, senderOf(ctx))
		}
	}
	return response, nil
}

func recordsOf(logs plog.Logs) (all func(func(plog.LogRecord) bool)) {
	return func(yield func(plog.LogRecord) bool) {
		for _, resource := range logs.ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, record := range scope.LogRecords().All() {
					if !yield(record) {
						return
					}
				}
			}
		}
	}
}

func senderOf(ctx context.Context) string {
	serial := "nobody"
	if from, ok := peer.FromContext(ctx); ok {
		if info, ok := from.AuthInfo.(credentials.TLSInfo); ok && len(info.State.PeerCertificates) > 0 {
			serial = info.State.PeerCertificates[0].SerialNumber.String()
		}
	}
	headers, _ := metadata.FromIncomingContext(ctx)
	return serial + " " + strings.Join(headers["x-token"], "")
}

// witnessOfMetrics is the witness' other service.
type witnessOfMetrics struct {
	pmetricotlp.UnimplementedGRPCServer
	*witness
}

// Export takes metrics.
func (w *witnessOfMetrics) Export(_ context.Context, request pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if told := toldFacts(request.Metrics()); len(told) > 0 {
		w.told = told
	}
	return pmetricotlp.NewExportResponse(), nil
}

// heard returns who sent records of failed connects, in the order in which they came.
func (w *witness) heard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.senders)
}

// pool reads a file of certificates.
func pool(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := x509.NewCertPool()
	if !all.AppendCertsFromPEM(pem) {
		t.Fatal(fmt.Errorf("no certificate in %s", file))
	}
	return all
}

// wantsCertificates is what a server with these certificates asks of its clients.
func (c certificates) wantsCertificates(t *testing.T) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.server, c.serverKey)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs: pool(t, c.authority)}
}
