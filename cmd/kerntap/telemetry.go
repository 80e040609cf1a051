package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/kerntap/kerntap/internal/api"
	"github.com/kerntap/kerntap/internal/config"
	"github.com/kerntap/kerntap/internal/export"
)

// exportOptions says to the exporters what the configuration decides.
func exportOptions(c config.Config) (export.Options, error) {
	logs, err := c.LogSignal()
	if err != nil {
		return export.Options{}, err
	}
	metrics, err := c.MetricSignal()
	if err != nil {
		return export.Options{}, err
	}
	o := export.Options{
		Console:               cmp.Or(logs.Console, metrics.Console),
		HideLogs:              logs.Console == "",
		HideMetrics:           metrics.Console == "",
		MetricInterval:        c.MetricInterval,
		MetricTimeout:         c.OTLP.MetricTimeout,
		Temporality:           c.OTLP.Temporality,
		ExponentialHistograms: strings.HasPrefix(c.OTLP.Histograms, "base2_"),
		LogDelay:              c.OTLP.LogDelay,
		LogBatch:              c.OTLP.LogBatch,
		LogTimeout:            c.OTLP.LogTimeout,
		QueueSize:             c.OTLP.LogQueue,
		ServiceName:           c.ServiceName,
		Version:               version,
		ResourceAttributes:    c.ResourceAttributes,
	}
	if o.LogsOTLP, err = collector(logs); err != nil {
		return o, err
	}
	o.MetricsOTLP, err = collector(metrics)
	return o, err
}

// collector returns where a signal is sent, nil for nowhere.
func collector(s config.Signal) (*export.OTLP, error) {
	if !s.Send {
		return nil, nil
	}
	tls, err := s.TLS()
	if err != nil {
		return nil, err
	}
	return &export.OTLP{Protocol: s.Protocol, Endpoint: s.Endpoint, TLS: tls, Headers: s.Headers, Timeout: s.Timeout,
		Gzip: s.Gzip}, nil
}

// describeTelemetry says where telemetry goes.
func describeTelemetry(c config.Config) string {
	logs, _ := c.LogSignal() // Validate has refused what is wrong
	metrics, _ := c.MetricSignal()
	toLogs, toMetrics := describeSignal(logs), describeSignal(metrics)
	if toLogs == toMetrics {
		return toLogs
	}
	return "log records: " + toLogs + "; metrics: " + toMetrics
}

func describeSignal(s config.Signal) string {
	var to []string
	if s.Console != "" {
		to = append(to, "this console, as "+s.Console)
	}
	if s.Send {
		to = append(to, "OTLP ("+s.Protocol+") to "+s.Endpoint)
	}
	if len(to) == 0 {
		return "nowhere"
	}
	return strings.Join(to, " and ")
}

// exporterStatus sums the destinations: what one of them lost is lost.
func (e *engine) exporterStatus() api.ExporterStatus {
	status := api.ExporterStatus{Name: "none", Healthy: true, Causes: make(map[string]uint64)}
	var names, reasons []string
	for _, destination := range e.pipeline.Status() {
		names = append(names, destination.Destination)
		status.Emitted += destination.Logs.Emitted
		status.Exported += destination.Logs.Exported
		status.Dropped += sum(destination.Logs.Dropped, status.Causes)
		status.Failed += sum(destination.Logs.Failed, status.Causes)
		if destination.Waiting {
			reasons = append(reasons, "waiting for "+destination.Destination)
		}
	}
	// What a program lost before it could be exported is missing at the destination all the same.
	lost := status.Dropped + status.Failed
	for _, program := range e.manager.Statuses() {
		lost += program.Stats.Lost + program.Stats.Dropped + program.Stats.Undecodable
	}
	if e.losses.recent(lost, time.Now()) {
		reasons = append(reasons, fmt.Sprintf("records were lost within the last minute, %d since the start", lost))
	}
	if len(names) > 0 {
		status.Name = strings.Join(names, ", ")
	}
	status.Healthy, status.Reason = len(reasons) == 0, strings.Join(reasons, "; ")
	return status
}

// sum returns the sum of counts by cause and adds each to all.
func sum(counts, all map[string]uint64) (total uint64) {
	for cause, n := range counts {
		all[cause] += n
		total += n
	}
	return total
}
