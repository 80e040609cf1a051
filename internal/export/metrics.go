package export

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// maxBoundSeries is the most series that stay bound to their instruments. The SDK keeps what they count; a series that
// is no longer bound is bound again when it is next measured.
const maxBoundSeries = 8192

// metricAdapter adds the measurements of events to instruments. It belongs to one goroutine.
type metricAdapter struct {
	meter       metric.Meter
	log         *slog.Logger
	instruments map[*telemetry.Metric]instrument
	series      map[seriesKey]measure

	measured []telemetry.Measurement
}

// seriesKey names one series.
type seriesKey struct {
	metric *telemetry.Metric
	labels telemetry.Labels
}

func newMetricAdapter(meter metric.Meter, log *slog.Logger) *metricAdapter {
	return &metricAdapter{
		meter:       meter,
		log:         log,
		instruments: make(map[*telemetry.Metric]instrument),
		series:      make(map[seriesKey]measure),
	}
}

// handle adds what the event measured.
func (a *metricAdapter) handle(event bpf.BPFEvent) {
	measured, ok := event.(bpf.Measured)
	if !ok {
		return
	}
	a.measured = measured.Measurements(a.measured[:0])
	for i := range a.measured {
		m := &a.measured[i]
		a.bound(m)(context.Background(), m.Value)
	}
}

// bound returns the measure of the measurement's series. The attributes are sorted and hashed once a series, not once
// a measurement.
func (a *metricAdapter) bound(m *telemetry.Measurement) measure {
	key := seriesKey{metric: m.Metric, labels: m.Labels}
	if measure, ok := a.series[key]; ok {
		return measure
	}
	if len(a.series) >= maxBoundSeries {
		clear(a.series)
	}
	measure := a.instrument(m.Metric)(attributeSet(m.Labels))
	a.series[key] = measure
	return measure
}

// instrument makes the metric's instrument when it is first measured. One that the SDK refuses measures nothing; the
// log says so once.
func (a *metricAdapter) instrument(m *telemetry.Metric) instrument {
	if known, ok := a.instruments[m]; ok {
		return known
	}
	made, err := newInstrument(a.meter, m)
	if err != nil {
		a.log.Warn("metric is left out", "metric", m.Name, "error", err)
		made = func(attribute.Set) measure { return func(context.Context, float64) {} }
	}
	a.instruments[m] = made
	return made
}

// attributeSet translates labels.
func attributeSet(labels telemetry.Labels) attribute.Set {
	attrs := make([]attribute.KeyValue, 0, len(labels))
	for _, l := range labels {
		if l.Key != "" {
			attrs = append(attrs, attribute.String(l.Key, validText(l.Value)))
		}
	}
	return attribute.NewSet(attrs...)
}
