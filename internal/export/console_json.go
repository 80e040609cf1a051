package export

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// jsonLogs writes each batch of records as one OTLP/JSON export request on a line of its own, as the collector's file
// exporter does.
type jsonLogs struct {
	unbuffered
	out     *lineWriter
	marshal plog.JSONMarshaler
}

// jsonMetrics does the same for metrics.
type jsonMetrics struct {
	unbuffered
	out     *lineWriter
	marshal pmetric.JSONMarshaler
}

var (
	_ sdklog.Exporter    = (*jsonLogs)(nil)
	_ sdkmetric.Exporter = (*jsonMetrics)(nil)
)

// Export writes one line.
func (j *jsonLogs) Export(_ context.Context, records []sdklog.Record) error {
	line, err := j.marshal.MarshalLogs(toLogs(records))
	if err != nil {
		return fmt.Errorf("marshal log records: %w", err)
	}
	_, err = j.out.write(append(line, '\n'))
	return err
}

// Temporality asks for what was counted since the start, so that a reader can miss lines.
func (*jsonMetrics) Temporality(sdkmetric.InstrumentKind) metricdata.Temporality {
	return metricdata.CumulativeTemporality
}

// Aggregation asks for the SDK's own.
func (*jsonMetrics) Aggregation(kind sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(kind)
}

// Export writes one line, or none where there is nothing to tell.
func (j *jsonMetrics) Export(_ context.Context, metrics *metricdata.ResourceMetrics) error {
	translated := toMetrics(metrics)
	if translated.DataPointCount() == 0 {
		return nil
	}
	line, err := j.marshal.MarshalMetrics(translated)
	if err != nil {
		return fmt.Errorf("marshal metrics: %w", err)
	}
	_, err = j.out.write(append(line, '\n'))
	return err
}
