package export

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// reconnectTime is how long an attempt waits for a connection that was broken.
const reconnectTime = 500 * time.Millisecond

// newGRPCLogs gives every option, so that none is left for the SDK to find in the environment.
func newGRPCLogs(o Options, to *OTLP, r *requests) (sdklog.Exporter, error) {
	return otlploggrpc.New(context.Background(),
		otlploggrpc.WithEndpoint(to.target()),
		otlploggrpc.WithTLSCredentials(grpcCredentials(to)),
		otlploggrpc.WithHeaders(to.Headers),
		otlploggrpc.WithTimeout(0),        // the requests and the whole export have their own
		otlploggrpc.WithMaxRequestSize(0), // batches are bounded already; to measure each once more costs a tenth
		otlploggrpc.WithRetry(otlploggrpc.RetryConfig{
			Enabled: true, InitialInterval: o.firstRetry, MaxInterval: o.slowestRetry}),
		otlploggrpc.WithDialOption(grpcOptions(o, r)...),
		otlploggrpc.WithCompressor(compressor(to)),
	)
}

func newGRPCMetrics(o Options, to *OTLP, r *requests) (sdkmetric.Exporter, error) {
	options := []otlpmetricgrpc.Option{
		otlpmetricgrpc.WithEndpoint(to.target()),
		otlpmetricgrpc.WithTLSCredentials(grpcCredentials(to)),
		otlpmetricgrpc.WithHeaders(to.Headers),
		otlpmetricgrpc.WithTimeout(0),
		otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{
			Enabled: true, InitialInterval: o.firstRetry, MaxInterval: o.slowestRetry}),
		otlpmetricgrpc.WithDialOption(grpcOptions(o, r)...),
		otlpmetricgrpc.WithTemporalitySelector(temporalitySelector(o.Temporality)),
		otlpmetricgrpc.WithAggregationSelector(aggregationSelector(o.ExponentialHistograms)),
	}
	if to.Gzip { // the exporter complains of any other word
		options = append(options, otlpmetricgrpc.WithCompressor("gzip"))
	}
	return otlpmetricgrpc.New(context.Background(), options...)
}

// target is the endpoint as gRPC takes it: without its scheme, a host named dns or unix would be taken for one.
func (c *OTLP) target() string {
	if strings.HasPrefix(c.Endpoint, "unix://") {
		return c.Endpoint
	}
	return "dns:///" + c.Endpoint
}

func grpcCredentials(to *OTLP) credentials.TransportCredentials {
	if to.TLS == nil {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(to.TLS)
}

func compressor(to *OTLP) string {
	if to.Gzip {
		return "gzip"
	}
	return "none"
}

// grpcOptions make a lost connection come back soon: by default gRPC lets up to two minutes pass between two attempts to
// connect.
func grpcOptions(o Options, r *requests) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(r.intercept),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: o.firstRetry, Multiplier: 1.6, Jitter: 0.2, MaxDelay: o.slowestRetry},
			MinConnectTimeout: r.timeout,
		}),
	}
}

// intercept sends one request and enters its result.
func (r *requests) intercept(ctx context.Context, method string, request, response any, conn *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	reconnect(ctx, conn)
	r.pause(false)
	attempt, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	err := invoke(attempt, method, request, response, conn, options...)
	if err == nil {
		r.answered(response)
		return nil
	}
	if ctx.Err() != nil {
		return err // whoever exports has given up; that says nothing of the collector
	}
	code := status.Code(err)
	r.cause = snakeCase(code.String())
	if code == codes.DeadlineExceeded { // nobody answered: that is this end's own word
		r.cause = causeUnavailable
	}
	var unreachable error
	if code == codes.Unavailable || code == codes.DeadlineExceeded {
		unreachable = err
	}
	r.report(unreachable, isTriedAgain(status.Convert(err)))
	return err
}

// isTriedAgain tells whether the SDK's exporters make another attempt after an answer: the OTLP specification names these.
func isTriedAgain(answer *status.Status) bool {
	switch answer.Code() {
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss:
		return true
	case codes.ResourceExhausted:
		return slices.ContainsFunc(answer.Details(), func(detail any) bool {
			_, asked := detail.(*errdetails.RetryInfo)
			return asked
		})
	}
	return false
}

// reconnect has a broken connection tried now and waits a moment for it. Without, an attempt finds what gRPC found when it
// last tried, which may be long ago. A name that was not found is asked for again in gRPC's own time.
func reconnect(ctx context.Context, conn *grpc.ClientConn) {
	if conn.GetState() != connectivity.TransientFailure {
		return
	}
	patience := reconnectTime
	if deadline, ok := ctx.Deadline(); ok { // leaves time for the attempt
		patience = min(patience, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn.ResetConnectBackoff()
	conn.WaitForStateChange(ctx, connectivity.TransientFailure)
}

// snakeCase spells a name like ResourceExhausted as resource_exhausted.
func snakeCase(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
