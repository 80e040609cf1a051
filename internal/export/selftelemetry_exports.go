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
	records, err := newObservableCounter(meter, &telemetry.ExporterRecords)
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

// observeQueues makes every reader of the meter ask how many log records wait, for each destination by itself: one that
// does not take any fills its own queue.
func observeQueues(meter metric.Meter, outlets []outlet) error {
	queued, err := newObservableGauge(meter, &telemetry.ProgramQueued)
	if err != nil {
		return fmt.Errorf("make self-telemetry of queues: %w", err)
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, out := range outlets {
			if out.logs != nil {
				o.ObserveInt64(queued, int64(out.logs.Status().Queued),
					metric.WithAttributes(attribute.String(telemetry.Destination, out.name)))
			}
		}
		return nil
	}, queued)
	if err != nil {
		return fmt.Errorf("register self-telemetry of queues: %w", err)
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
