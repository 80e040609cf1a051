package client

import (
	"bytes"
	"context"
	"fmt"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Sample is one series of a metric as it is now.
type Sample struct {
	Labels map[string]string
	// Value is that of a counter or a gauge, and the sum of a histogram's values; Count is how many those were.
	Value float64
	Count uint64
}

// Metrics are the samples of each metric, by the names that Prometheus knows them by.
type Metrics map[string][]Sample

// Metrics returns all metrics as they are now.
func (c *Client) Metrics(ctx context.Context) (Metrics, error) {
	body, err := c.get(ctx, "/metrics", nil)
	if err != nil {
		return nil, err
	}
	return ParseMetrics(body)
}

// ParseMetrics reads Prometheus' text format.
func ParseMetrics(text []byte) (Metrics, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	metrics := make(Metrics, len(families))
	for name, family := range families {
		for _, m := range family.Metric {
			metrics[name] = append(metrics[name], newSample(m))
		}
	}
	return metrics, nil
}

func newSample(m *dto.Metric) Sample {
	s := Sample{Labels: make(map[string]string, len(m.Label))}
	for _, label := range m.Label {
		s.Labels[label.GetName()] = label.GetValue()
	}
	switch {
	case m.Histogram != nil:
		s.Value, s.Count = m.Histogram.GetSampleSum(), m.Histogram.GetSampleCount()
	case m.Counter != nil:
		s.Value = m.Counter.GetValue()
	case m.Gauge != nil:
		s.Value = m.Gauge.GetValue()
	default:
		s.Value = m.Untyped.GetValue()
	}
	return s
}
