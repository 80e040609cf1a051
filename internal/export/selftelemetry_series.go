package export

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// observeSeries makes every reader of the meter ask how full the table of series is, and what it had no place for.
func observeSeries(meter metric.Meter, table *seriesTable) error {
	active, err := newObservableGauge(meter, &telemetry.SeriesActive)
	if err != nil {
		return fmt.Errorf("make self-telemetry of series: %w", err)
	}
	overflows, err := newObservableCounter(meter, &telemetry.SeriesOverflows)
	if err != nil {
		return fmt.Errorf("make self-telemetry of series: %w", err)
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, f := range table.all() {
			series, overflowed := f.size()
			name := metric.WithAttributes(attribute.String(telemetry.MetricName, f.metric.Name))
			o.ObserveInt64(active, int64(series), name)
			o.ObserveInt64(overflows, int64(overflowed), name)
		}
		return nil
	}, active, overflows)
	if err != nil {
		return fmt.Errorf("register self-telemetry of series: %w", err)
	}
	return nil
}
