package export

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
)

// patience bounds what a test waits for.
const patience = 20 * time.Second

// receiver is a collector in this process. Its fields are set before it is started.
type receiver struct {
	plogotlp.UnimplementedGRPCServer
	tls *tls.Config
	// answerLogs may refuse a request, or a part of it.
	answerLogs func(plog.Logs) (rejected int64, err error)
	noMetrics  bool
	// answerMetrics may refuse a request with metrics.
	answerMetrics func() error
	// rejectedPoints are turned away of every request with metrics.
	rejectedPoints int64
	wrap           func(net.Listener) net.Listener // nil for as it is
	warning        string                          // goes with every answer to log records
	taken          func()                          // is called for each request with log records once it is kept

	mu       sync.Mutex
	logs     []plog.Logs
	metrics  []pmetric.Metrics
	headers  map[string]string
	encoding string
	largest  int
	arrived  chan struct{}
	stopped  func()
}

// metricsService is the receiver's other service.
type metricsService struct {
	pmetricotlp.UnimplementedGRPCServer
	*receiver
}

// start listens on an address, "127.0.0.1:0" for any, and returns it.
func (r *receiver) start(tb testing.TB, protocol, address string) string {
	tb.Helper()
	network := "tcp"
	if path, isUnix := strings.CutPrefix(address, "unix://"); isUnix {
		network, address = "unix", path
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		tb.Fatal(err)
	}
	address = listener.Addr().String()
	if r.wrap != nil {
		listener = r.wrap(listener)
	}
	if r.arrived == nil {
		r.arrived = make(chan struct{}, 1)
	}
	if protocol == ProtocolGRPC {
		r.serveGRPC(listener)
	} else {
		r.serveHTTP(tb, listener)
	}
	tb.Cleanup(r.stop)
	return address
}

func (r *receiver) stop() { r.stopped() }

func (r *receiver) serveGRPC(listener net.Listener) {
	options := []grpc.ServerOption{grpc.StatsHandler(&encodings{r})}
	if r.tls != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(r.tls)))
	}
	server := grpc.NewServer(options...) // takes 4 MiB, as a collector does
	plogotlp.RegisterGRPCServer(server, r)
	if !r.noMetrics {
		pmetricotlp.RegisterGRPCServer(server, &metricsService{receiver: r})
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	r.stopped = sync.OnceFunc(func() {
		server.GracefulStop() // what was taken is also answered
		serving.Wait()
	})
}

// Export takes log records.
func (r *receiver) Export(ctx context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	response := plogotlp.NewExportResponse()
	if r.answerLogs != nil {
		rejected, err := r.answerLogs(request.Logs())
		if err != nil {
			return response, err
		}
		response.PartialSuccess().SetRejectedLogRecords(rejected)
		response.PartialSuccess().SetErrorMessage(r.warning)
	}
	size := (&plog.ProtoMarshaler{}).LogsSize(request.Logs())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keepMetadata(ctx)
	r.largest = max(r.largest, size)
	kept := plog.NewLogs()
	request.Logs().CopyTo(kept)
	r.logs = append(r.logs, kept)
	if r.taken != nil {
		r.taken()
	}
	r.signal()
	return response, nil
}

// Export takes metrics.
func (m *metricsService) Export(ctx context.Context, request pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.answerMetrics != nil {
		if err := m.answerMetrics(); err != nil {
			return pmetricotlp.NewExportResponse(), err
		}
	}
	m.keepMetadata(ctx)
	m.largest = max(m.largest, (&pmetric.ProtoMarshaler{}).MetricsSize(request.Metrics()))
	kept := pmetric.NewMetrics()
	request.Metrics().CopyTo(kept)
	m.metrics = append(m.metrics, kept)
	m.signal()
	response := pmetricotlp.NewExportResponse()
	response.PartialSuccess().SetRejectedDataPoints(m.rejectedPoints)
	return response, nil
}

func (r *receiver) keepMetadata(ctx context.Context) {
	md, ok := metadata.FromIncomingContext(ctx)
	if !ok {
		return
	}
	r.headers = map[string]string{}
	for name, values := range md {
		r.headers[http.CanonicalHeaderKey(name)] = values[0]
	}
}

// encodings keeps how gRPC requests were compressed: their handlers are not told.
type encodings struct{ *receiver }

func (e *encodings) HandleRPC(_ context.Context, s stats.RPCStats) {
	if header, ok := s.(*stats.InHeader); ok {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.encoding = header.Compression
	}
}

func (*encodings) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*encodings) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*encodings) HandleConn(context.Context, stats.ConnStats)                       {}

func (r *receiver) signal() {
	select {
	case r.arrived <- struct{}{}:
	default:
	}
}

// bodies returns the bodies of all records, in the order in which they came.
func (r *receiver) bodies() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, logs := range r.logs {
		for _, res := range logs.ResourceLogs().All() {
			for _, scope := range res.ScopeLogs().All() {
				for _, record := range scope.LogRecords().All() {
					all = append(all, record.Body().AsString())
				}
			}
		}
	}
	return all
}

// distinct is how many different bodies have come: what was taken just before a connection broke comes again.
func (r *receiver) distinct() int {
	bodies := r.bodies()
	slices.Sort(bodies)
	return len(slices.Compact(bodies))
}

// await returns once the receiver has records of n different bodies.
func (r *receiver) await(tb testing.TB, n int) {
	tb.Helper()
	deadline := time.After(patience)
	for r.distinct() < n {
		select {
		case <-r.arrived:
		case <-deadline:
			tb.Fatalf("%d records arrived, want %d", r.distinct(), n)
		}
	}
}
