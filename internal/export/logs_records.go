package export

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// recordMaker makes log records of events through the SDK's logger: only the SDK can make records with a resource and
// a scope. It belongs to one goroutine and reuses its buffers.
type recordMaker struct {
	logger    log.Logger
	described []telemetry.Attribute
	adder     attributeAdder
	made      recordCollector
}

func newRecordMaker(o Options, res *resource.Resource) *recordMaker {
	m := &recordMaker{}
	// The provider owns nothing but the two processors, so there is nothing to shut down.
	provider := sdklog.NewLoggerProvider(
		sdklog.WithResource(res),
		// Events name each attribute once; to look for duplicates would cost more than all the rest.
		sdklog.WithAllowKeyDuplication(),
		sdklog.WithAttributeCountLimit(-1),
		sdklog.WithAttributeValueLengthLimit(-1),
		sdklog.WithProcessor(&m.adder),
		sdklog.WithProcessor(&m.made),
	)
	m.logger = provider.Logger(scopeName,
		log.WithInstrumentationVersion(o.Version), log.WithSchemaURL(semconv.SchemaURL))
	return m
}

// records returns the records of a batch, in its order. They are good until the next call.
func (m *recordMaker) records(batch []pending) []sdklog.Record {
	clear(m.made.records) // keeps no record alive
	m.made.records = m.made.records[:0]
	for i := range batch {
		m.logger.Emit(context.Background(), m.record(batch[i]))
	}
	return m.made.records
}

// record translates an event, all but the attributes, which it leaves to the adder.
func (m *recordMaker) record(p pending) log.Record {
	m.described = p.event.Attributes(m.described[:0])
	m.adder.set(m.described)
	var r log.Record
	r.SetEventName(p.event.EventName())
	r.SetTimestamp(p.event.GetWallClockTime())
	r.SetObservedTimestamp(time.Unix(0, p.observed))
	severity, text := severityOf(p.event.Severity())
	r.SetSeverity(severity)
	r.SetSeverityText(text)
	r.SetBody(attribute.StringValue(validText(p.event.Body())))
	return r
}

func severityOf(s telemetry.Severity) (log.Severity, string) {
	if s == telemetry.Warn {
		return log.SeverityWarn, "WARN"
	}
	return log.SeverityInfo, "INFO"
}

// recordCollector is the last of the processors: it keeps what the logger emits.
type recordCollector struct {
	passive
	records []sdklog.Record
}

var _ sdklog.Processor = (*recordCollector)(nil)

// OnEmit keeps a shallow copy: no processor comes after this one, so nobody changes the record.
func (c *recordCollector) OnEmit(_ context.Context, r *sdklog.Record) error {
	c.records = append(c.records, *r)
	return nil
}

// passive is what a processor embeds that holds nothing back, owns nothing and has no opinion of its own.
type passive struct{ unbuffered }

// Enabled lets everything pass.
func (passive) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
