package export

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// The values of OTLP.Protocol.
const (
	ProtocolGRPC = "grpc"
	ProtocolHTTP = "http/protobuf"
)

// OTLP says how one signal reaches its collector.
type OTLP struct {
	// Protocol is ProtocolGRPC or ProtocolHTTP.
	Protocol string
	// Endpoint is host:port or unix:///path with gRPC and a whole URL with HTTP.
	Endpoint string
	// TLS is nil for plaintext.
	TLS *tls.Config
	// Headers go with every request.
	Headers map[string]string
	// Timeout bounds one request; what it interrupts is tried again.
	Timeout time.Duration
	// Gzip compresses the requests.
	Gzip bool
}

// The times between attempts to reach a collector grow from the first to the second: a collector that comes back
// finds its records soon.
const (
	firstRetry   = time.Second
	slowestRetry = 5 * time.Second
)

// name is what diagnostics and Status call the collector: the same for both signals if it is the same host and port.
func (c *OTLP) name() string {
	endpoint := c.Endpoint
	if u, err := url.Parse(endpoint); err == nil && c.Protocol == ProtocolHTTP {
		endpoint = u.Scheme + "://" + u.Host
	}
	return "otlp " + c.Protocol + " " + endpoint
}

func (c *OTLP) check(signal string) error {
	switch {
	case c.Protocol != ProtocolGRPC && c.Protocol != ProtocolHTTP:
		return fmt.Errorf("otlp %s: unknown protocol %q: it is %q or %q", signal, c.Protocol, ProtocolGRPC, ProtocolHTTP)
	case c.Endpoint == "":
		return fmt.Errorf("otlp %s: no endpoint", signal)
	case c.Timeout <= 0:
		return fmt.Errorf("otlp %s: timeout %s is not positive", signal, c.Timeout)
	}
	return nil
}

// collectors returns the collectors that signals go to: one destination if it is the same for both. On an error it
// returns those whose exporters are to be closed.
func collectors(o Options) ([]destination, error) {
	var all []destination
	if to := o.LogsOTLP; to != nil {
		d := destination{name: to.name(), logInterval: o.LogDelay, logBatch: o.LogBatch}
		d.reach = &reachability{log: o.Log.With("destination", d.name)}
		logs, err := newCollectorLogs(o, to, d.reach)
		if err != nil {
			return nil, fmt.Errorf("send log records to %s: %w", d.name, err)
		}
		d.logs = logs
		all = append(all, d)
	}
	if to := o.MetricsOTLP; to != nil {
		if len(all) == 0 || all[0].name != to.name() {
			all = append(all, destination{name: to.name(), reach: &reachability{log: o.Log.With("destination", to.name())}})
		}
		d := &all[len(all)-1]
		metrics, err := newCollectorMetrics(o, to, d.reach)
		if err != nil {
			return all, fmt.Errorf("send metrics to %s: %w", d.name, err)
		}
		d.metrics = metrics
	}
	return all, nil
}

// newCollectorLogs returns the exporter of log records, with what watches its requests around it.
func newCollectorLogs(o Options, to *OTLP, reach *reachability) (*collectorLogs, error) {
	c := newLogsThrough(newRequests(to, reach), o)
	var err error
	if to.Protocol == ProtocolGRPC {
		c.Exporter, err = newGRPCLogs(o, to, c.requests)
	} else {
		c.Exporter, err = newHTTPLogs(o, to, c.requests)
	}
	return c, err
}

// newCollectorMetrics returns the exporter of metrics, with what watches its requests around it.
func newCollectorMetrics(o Options, to *OTLP, reach *reachability) (*collectorMetrics, error) {
	c := &collectorMetrics{requests: newRequests(to, reach), limit: maxRequest}
	var err error
	if to.Protocol == ProtocolGRPC {
		c.Exporter, err = newGRPCMetrics(o, to, c.requests)
	} else {
		c.Exporter, err = newHTTPMetrics(o, to, c.requests)
	}
	return c, err
}

var (
	_ sdklog.Exporter    = (*collectorLogs)(nil)
	_ sdkmetric.Exporter = (*collectorMetrics)(nil)
)
