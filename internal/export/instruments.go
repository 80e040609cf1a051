package export

import (
	"context"
	"fmt"
	"math"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// The upper bounds of durations' explicit buckets are the powers of two from 2^-17 s (7.6 µs, less than a connect over
// loopback takes) to 2^12 s (68 minutes). Powers of two are bounds of OTLP's exponential buckets at every scale, so
// both forms can be made of one kernel histogram exactly.
const (
	minDurationExponent = -17
	maxDurationExponent = 12
)

// measure adds a value to one series.
type measure func(ctx context.Context, value float64)

// instrument binds series, each by its attributes.
type instrument func(attribute.Set) measure

// newInstrument makes the SDK's instrument for a metric. The options of each series are made beforehand: the SDK adds
// without an allocation then.
func newInstrument(meter metric.Meter, m *telemetry.Metric) (instrument, error) {
	unit, description := metric.WithUnit(m.Unit), metric.WithDescription(m.Description)
	switch m.Kind {
	case telemetry.Counter:
		i, err := meter.Int64Counter(m.Name, unit, description)
		if err != nil {
			return nil, err
		}
		return adding(i.Add), nil
	case telemetry.UpDownCounter:
		i, err := meter.Int64UpDownCounter(m.Name, unit, description)
		if err != nil {
			return nil, err
		}
		return adding(i.Add), nil
	case telemetry.Gauge:
		i, err := meter.Int64Gauge(m.Name, unit, description)
		if err != nil {
			return nil, err
		}
		return recording(func(ctx context.Context, v float64, options ...metric.RecordOption) {
			i.Record(ctx, int64(v), options...)
		}), nil
	case telemetry.Histogram:
		return newHistogram(meter, m)
	}
	return nil, fmt.Errorf("unknown kind %d", m.Kind)
}

func newHistogram(meter metric.Meter, m *telemetry.Metric) (instrument, error) {
	options := []metric.Float64HistogramOption{metric.WithUnit(m.Unit), metric.WithDescription(m.Description)}
	if m.Unit == "s" {
		options = append(options, metric.WithExplicitBucketBoundaries(durationBounds()...))
	}
	i, err := meter.Float64Histogram(m.Name, options...)
	if err != nil {
		return nil, err
	}
	return recording(i.Record), nil
}

func adding(add func(context.Context, int64, ...metric.AddOption)) instrument {
	return func(set attribute.Set) measure {
		options := []metric.AddOption{metric.WithAttributeSet(set)}
		return func(ctx context.Context, value float64) { add(ctx, int64(value), options...) }
	}
}

func recording(record func(context.Context, float64, ...metric.RecordOption)) instrument {
	return func(set attribute.Set) measure {
		options := []metric.RecordOption{metric.WithAttributeSet(set)}
		return func(ctx context.Context, value float64) { record(ctx, value, options...) }
	}
}

func durationBounds() []float64 {
	bounds := make([]float64, 0, maxDurationExponent-minDurationExponent+1)
	for exponent := minDurationExponent; exponent <= maxDurationExponent; exponent++ {
		bounds = append(bounds, math.Ldexp(1, exponent))
	}
	return bounds
}
