package export

import (
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
	defaultQueueSize      = 65536
	defaultMetricInterval = 10 * time.Second
	defaultServiceName    = "kerntap"
)

// Options say where telemetry goes and what it says about itself.
type Options struct {
	// Console writes both signals to Out: ConsoleText for people, ConsoleJSON as OTLP/JSON, ConsoleOff not at all.
	Console string
	// Out is standard output unless given.
	Out io.Writer
	// Log takes diagnostics, and loses them unless given.
	Log *slog.Logger
	// MetricInterval is the time between two exports of metrics; 0 means 10 seconds.
	MetricInterval time.Duration
	// ServiceName is "kerntap" unless given; Version is the version of this build.
	ServiceName, Version string
	// ResourceAttributes are added to the resource and win over what kerntap finds out itself.
	ResourceAttributes map[string]string
	// Programs tells the truth about the programs; without it there is no self-telemetry.
	Programs func() []bpf.Status
	// QueueSize is the most events whose log records wait for one destination or are on their way to it; 0 means
	// 65,536. Memory follows what really waits.
	QueueSize int

	// now and location are the clock and the time zone that tests replace.
	now      func() time.Time
	location *time.Location
}

// withDefaults fills what was left out and refuses what cannot be meant.
func (o Options) withDefaults() (Options, error) {
	if o.MetricInterval < 0 {
		return o, fmt.Errorf("metric interval %s is negative", o.MetricInterval)
	}
	if o.QueueSize < 0 {
		return o, fmt.Errorf("queue size %d is negative", o.QueueSize)
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MetricInterval == 0 {
		o.MetricInterval = defaultMetricInterval
	}
	if o.ServiceName == "" {
		o.ServiceName = defaultServiceName
	}
	if o.QueueSize == 0 {
		o.QueueSize = defaultQueueSize
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.location == nil {
		o.location = time.Local
	}
	return o, nil
}
