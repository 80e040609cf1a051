package export

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// logAdapter makes log records of the events that are to be exported. It belongs to one goroutine and reuses its
// buffers.
type logAdapter struct {
	logger log.Logger
	queues []*queue
	now    func() time.Time

	described  []telemetry.Attribute
	attributes *attributeAdder
}

func newLogAdapter(o Options, res *resource.Resource, queues []*queue) *logAdapter {
	options := []sdklog.LoggerProviderOption{
		sdklog.WithResource(res),
		// Events name each attribute once; to look for duplicates would cost more than all the rest.
		sdklog.WithAllowKeyDuplication(),
		sdklog.WithAttributeCountLimit(-1),
		sdklog.WithAttributeValueLengthLimit(-1),
	}
	attributes := &attributeAdder{}
	options = append(options, sdklog.WithProcessor(attributes))
	for _, q := range queues {
		options = append(options, sdklog.WithProcessor(q))
	}
	// The provider owns nothing but the queues, and those are shut down one by one.
	provider := sdklog.NewLoggerProvider(options...)
	return &logAdapter{
		logger: provider.Logger(scopeName,
			log.WithInstrumentationVersion(o.Version), log.WithSchemaURL(semconv.SchemaURL)),
		queues:     queues,
		now:        o.now,
		attributes: attributes,
	}
}

// handle emits the event's record. Where no queue would take it, it is counted and not even made.
func (a *logAdapter) handle(event bpf.BPFEvent) {
	described, ok := event.(bpf.Described)
	if !ok || len(a.queues) == 0 || bpf.DetailOf(event) != bpf.Exported {
		return
	}
	if !slices.ContainsFunc(a.queues, hasRoom) {
		for _, q := range a.queues {
			q.drop()
		}
		return
	}
	a.logger.Emit(context.Background(), a.record(described))
}

func hasRoom(q *queue) bool {
	return q.Enabled(context.Background(), sdklog.EnabledParameters{})
}

// record translates an event, all but the attributes, which it leaves to the adder.
func (a *logAdapter) record(event bpf.Described) log.Record {
	a.described = event.Attributes(a.described[:0])
	a.attributes.set(a.described)
	var r log.Record
	r.SetEventName(event.EventName())
	r.SetTimestamp(event.GetWallClockTime())
	r.SetObservedTimestamp(a.now())
	severity, text := severityOf(event.Severity())
	r.SetSeverity(severity)
	r.SetSeverityText(text)
	r.SetBody(attribute.StringValue(validText(event.Body())))
	return r
}

func severityOf(s telemetry.Severity) (log.Severity, string) {
	if s == telemetry.Warn {
		return log.SeverityWarn, "WARN"
	}
	return log.SeverityInfo, "INFO"
}
