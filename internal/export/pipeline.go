// Package export turns events into OpenTelemetry log records and metrics and brings them out.
//
// Its laws: events describe themselves, so nothing here knows a program; Handle never waits for an exporter; every log
// record ends as exported, failed or dropped and is counted as that; one destination's failure is its own.
//
// What waits for a destination waits as events; records are made of a batch of them when it is exported. A full queue of
// 100,000 takes 3 MiB, and 21 MiB with the events if the storage has forgotten all of them (BenchmarkFullQueue).
package export

import (
	"log/slog"
	"net/http"
	"slices"
	"sync"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/kerntap/kerntap/internal/bpf"
)

// scopeName is the instrumentation scope of everything that leaves kerntap.
const scopeName = "github.com/kerntap/kerntap/internal/export"

// Pipeline brings events to its destinations, and metrics to whoever asks for them as well.
type Pipeline struct {
	logs    *logAdapter
	metrics *metricAdapter
	meters  *sdkmetric.MeterProvider // of the exposition
	handler http.Handler

	mu      sync.Mutex
	outlets []outlet

	log     *slog.Logger
	stop    sync.Once
	flushed chan struct{}
	logsErr error // of the last log records; may be read once flushed is closed
	stopped chan struct{}
	err     error // of all; may be read once stopped is closed
}

// outlet is one destination with its accounts; nil for a signal that does not go there.
type outlet struct {
	name    string
	logs    *queue
	metrics *metricExporter
	reach   *reachability
}

// status is the truth about the outlet; a signal that does not go there has none.
func (o outlet) status() Status {
	status := Status{Destination: o.name, Waiting: o.reach.isWaiting()}
	if o.logs != nil {
		status.SendsLogs, status.Logs = true, o.logs.Status()
	}
	if o.metrics != nil {
		status.SendsMetrics, status.Metrics = true, o.metrics.Status()
	}
	if err := o.metricsErr(); err != nil {
		status.Metrics.Failing = causeOf(err)
	}
	return status
}

// metricsErr is why the last export of metrics failed, nil if it did not.
func (o outlet) metricsErr() error {
	if o.metrics == nil {
		return nil
	}
	return o.metrics.lastErr()
}

// New starts a pipeline. Shutdown ends it.
func New(options Options) (*Pipeline, error) {
	o, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	to, err := destinations(o)
	if err != nil {
		return nil, err
	}
	return newPipeline(o, to)
}

// newPipeline starts a pipeline to any destinations.
func newPipeline(o Options, to []destination) (*Pipeline, error) {
	series := newSeriesTable(o, formsOf(to)...)
	exposition, handler, err := newExposition(series.producers[0])
	if err != nil {
		return nil, err
	}
	p := &Pipeline{
		handler: handler, log: o.Log, flushed: make(chan struct{}), stopped: make(chan struct{}),
		metrics: newMetricAdapter(series, o.now),
	}
	res := newResource(o)
	p.logs = &logAdapter{now: o.now}
	p.meters = newMeterProvider(res, exposition)
	series.told.observers = p.observers(o, series)
	producers := series.producers[1:]
	for _, d := range to {
		out := outlet{name: d.name, reach: d.reach}
		if d.logs != nil {
			out.logs = newQueue(d, o, res)
			p.logs.queues = append(p.logs.queues, out.logs)
		}
		if d.metrics != nil {
			out.metrics = newMetricExporter(d, o, producers[0], res)
			producers = producers[1:]
		}
		p.outlets = append(p.outlets, out)
	}
	for _, out := range p.outlets {
		if out.metrics != nil {
			out.metrics.start() // they tell of all outlets
		}
	}
	return p, nil
}

// formsOf returns what the readers ask for: the exposition's first, then those of the destinations.
func formsOf(to []destination) []form {
	forms := []form{{}}
	for _, d := range to {
		if d.metrics != nil {
			forms = append(forms, formOf(d.metrics))
		}
	}
	return forms
}

// Handle hands an event to the log adapter and to the metric adapter. It never blocks. One goroutine calls it.
func (p *Pipeline) Handle(event bpf.BPFEvent) {
	p.logs.handle(event)
	p.metrics.handle(event)
}

// destinations returns where telemetry goes at this moment.
func (p *Pipeline) destinations() []outlet {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.outlets)
}

// Status returns the truth about each destination; there are none if telemetry goes nowhere.
func (p *Pipeline) Status() []Status {
	outlets := p.destinations()
	all := make([]Status, 0, len(outlets))
	for _, out := range outlets {
		all = append(all, out.status())
	}
	return all
}

// MetricsHandler returns all metrics in Prometheus' exposition format.
func (p *Pipeline) MetricsHandler() http.Handler { return p.handler }
