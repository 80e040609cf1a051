package config

import "time"

// OTLP is what is set about the way to collectors. Logs and Metrics tell what it makes of a signal.
type OTLP struct {
	// General holds for both signals, Logs and Metrics for one; what they do not set is as General says.
	General, Logs, Metrics Transport
	// LogsExporter and MetricsExporter are otlp, console, none, or a list of them; "" if not set.
	LogsExporter, MetricsExporter string
	// LogDelay is the longest time that a log record waits for others.
	LogDelay time.Duration
	// LogTimeout is how long a batch of log records is tried before it is given up.
	LogTimeout time.Duration
	// LogQueue is how many log records wait at most, LogBatch how many go at once.
	LogQueue, LogBatch int
	// MetricTimeout bounds one export of metrics with all its attempts.
	MetricTimeout time.Duration
	// Temporality is cumulative, delta or lowmemory.
	Temporality string
	// Histograms is explicit_bucket_histogram or base2_exponential_bucket_histogram.
	Histograms string
}

// Transport is what is set about the way to one collector. A zero field is not set.
type Transport struct {
	Endpoint    string
	Protocol    string
	Headers     map[string]string
	Timeout     time.Duration
	Compression string
	// Insecure is true or false.
	Insecure string
	// Certificate, ClientCertificate and ClientKey are paths of PEM files.
	Certificate, ClientCertificate, ClientKey string
}

// isSet tells whether anything is.
func (t *Transport) isSet() bool {
	return t.Endpoint != "" || t.Protocol != "" || len(t.Headers) > 0 || t.Timeout != 0 || t.Compression != "" ||
		t.Insecure != "" || t.Certificate != "" || t.ClientCertificate != "" || t.ClientKey != ""
}

func defaultOTLP() OTLP {
	return OTLP{
		LogDelay:      time.Second,
		LogTimeout:    5 * time.Minute,
		LogQueue:      100_000,
		LogBatch:      512,
		MetricTimeout: 30 * time.Second,
		Temporality:   "cumulative",
		Histograms:    explicitHistograms,
	}
}
