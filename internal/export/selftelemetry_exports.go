package export

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// observeExports makes every reader of the meter ask what became of log records, over all destinations. Together with
// what is queued the outcomes add up to what was emitted.
func observeExports(meter metric.Meter, status func() []Status) error {
	m := &telemetry.ExporterRecords
	records, err := meter.Int64ObservableCounter(m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.Description))
	if err != nil {
		return fmt.Errorf("make self-telemetry of exports: %w", err)
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for set, n := range outcomes(status()) {
			o.ObserveInt64(records, int64(n), metric.WithAttributeSet(attribute.NewSet(set.attributes()...)))
		}
		return nil
	}, records)
	if err != nil {
		return fmt.Errorf("register self-telemetry of exports: %w", err)
	}
	return nil
}

// outcome is what became of log records, and why.
type outcome struct{ name, cause string }

func (o outcome) attributes() []attribute.KeyValue {
	attributes := []attribute.KeyValue{attribute.String(telemetry.Outcome, o.name)}
	if o.cause != "" {
		attributes = append(attributes, attribute.String(telemetry.ErrorType, o.cause))
	}
	return attributes
}

// outcomes sums the destinations.
func outcomes(all []Status) map[outcome]uint64 {
	sums := map[outcome]uint64{}
	for _, status := range all {
		if status.Logs.Emitted == 0 {
			continue
		}
		sums[outcome{name: telemetry.OutcomeExported}] += status.Logs.Exported
		for cause, n := range status.Logs.Dropped {
			sums[outcome{telemetry.OutcomeDropped, cause}] += n
		}
		for cause, n := range status.Logs.Failed {
			sums[outcome{telemetry.OutcomeFailed, cause}] += n
		}
	}
	return sums
}
