package main

import (
	"cmp"
	"strings"

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
