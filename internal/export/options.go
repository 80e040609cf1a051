package export

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
)

// The values of Options.Console.
const (
	ConsoleOff  = ""
	ConsoleText = "text"
	ConsoleJSON = "json"
)

const (
	defaultQueueSize      = 100_000
	defaultMetricInterval = 10 * time.Second
	defaultMetricTimeout  = 30 * time.Second
	defaultLogDelay       = time.Second
	defaultLogTimeout     = 5 * time.Minute
	defaultServiceName    = "kerntap"
)

// Options say where telemetry goes and what it says about itself.
type Options struct {
	// Console writes both signals to Out: ConsoleText for people, ConsoleJSON as OTLP/JSON, ConsoleOff not at all.
	Console string
	// HideLogs and HideMetrics leave a signal off the console.
	HideLogs, HideMetrics bool
	// LogsOTLP and MetricsOTLP send a signal to a collector; nil sends it to none.
	LogsOTLP, MetricsOTLP *OTLP
	// Out is standard output unless given.
	Out io.Writer
	// Log takes diagnostics, and loses them unless given.
	Log *slog.Logger
	// MetricInterval is the time between two exports of metrics; 0 means 10 seconds.
	MetricInterval time.Duration
	// MetricTimeout bounds one export of metrics with all its attempts; 0 means 30 seconds.
	MetricTimeout time.Duration
	// Temporality is what a collector gets: TemporalityCumulative unless given.
	Temporality string
	// ExponentialHistograms sends histograms with exponential buckets instead of explicit ones.
	ExponentialHistograms bool
	// LogDelay is the longest time that a record waits for others on its way to a collector; 0 means 1 second.
	LogDelay time.Duration
	// LogBatch is the most records of one request; 0 means 512.
	LogBatch int
	// LogTimeout is how long a batch is tried before it is given up; 0 means 5 minutes.
	LogTimeout time.Duration
	// ServiceName is "kerntap" unless given; Version is the version of this build.
	ServiceName, Version string
	// ResourceAttributes are added to the resource and win over what kerntap finds out itself.
	ResourceAttributes map[string]string
	// Programs tells the truth about the programs; without it there is no self-telemetry.
	Programs func() []bpf.Status
	// QueueSize is the most events whose log records wait for one destination or are on their way to it; 0 means
	// 100,000. Memory follows what really waits.
	QueueSize int

	// now and location are the clock and the time zone that tests replace, as they do the times between attempts.
	now                      func() time.Time
	location                 *time.Location
	firstRetry, slowestRetry time.Duration
}

// withDefaults fills what was left out and refuses what cannot be meant.
func (o Options) withDefaults() (Options, error) {
	if err := o.check(); err != nil {
		return o, err
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.MetricInterval = cmp.Or(o.MetricInterval, defaultMetricInterval)
	o.MetricTimeout = cmp.Or(o.MetricTimeout, defaultMetricTimeout)
	o.LogDelay = cmp.Or(o.LogDelay, defaultLogDelay)
	o.LogTimeout = cmp.Or(o.LogTimeout, defaultLogTimeout)
	o.LogBatch = cmp.Or(o.LogBatch, maxBatch)
	o.QueueSize = cmp.Or(o.QueueSize, defaultQueueSize)
	o.ServiceName = cmp.Or(o.ServiceName, defaultServiceName)
	o.firstRetry = cmp.Or(o.firstRetry, firstRetry)
	o.slowestRetry = cmp.Or(o.slowestRetry, slowestRetry)
	if o.now == nil {
		o.now = time.Now
	}
	if o.location == nil {
		o.location = time.Local
	}
	return o, nil
}

// check refuses what cannot be meant.
func (o Options) check() error {
	for what, d := range map[string]time.Duration{"metric interval": o.MetricInterval, "metric timeout": o.MetricTimeout,
		"log delay": o.LogDelay, "log timeout": o.LogTimeout} {
		if d < 0 {
			return fmt.Errorf("%s %s is negative", what, d)
		}
	}
	if o.QueueSize < 0 || o.LogBatch < 0 {
		return fmt.Errorf("queue size %d or batch size %d is negative", o.QueueSize, o.LogBatch)
	}
	for signal, to := range map[string]*OTLP{"logs": o.LogsOTLP, "metrics": o.MetricsOTLP} {
		if to == nil {
			continue
		}
		if err := to.check(signal); err != nil {
			return err
		}
	}
	return nil
}
