package export

import (
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// recordMaker makes log records of events. It belongs to one goroutine and reuses its buffers.
type recordMaker struct {
	blanks     *blanks
	described  []telemetry.Attribute
	attributes []attribute.KeyValue
	made       []sdklog.Record
}

func newRecordMaker(o Options, res *resource.Resource) *recordMaker {
	return &recordMaker{blanks: newBlanks(o, res)}
}

// records returns the records of a batch, in its order. They are good until the next call, or forget.
func (m *recordMaker) records(batch []pending) []sdklog.Record {
	m.forget()
	for i := range batch {
		m.made = append(m.made, *m.blanks.of(batch[i].event))
		m.fill(&m.made[i], batch[i])
	}
	return m.made
}

// forget lets go of what the records hold: the next batch may be long in coming.
func (m *recordMaker) forget() {
	clear(m.made)
	m.made = m.made[:0]
}

// fill writes an event into a blank record. It stands in for the SDK's logger, which would copy the record four times
// and let it grow attribute by attribute.
func (m *recordMaker) fill(r *sdklog.Record, p pending) {
	r.SetEventName(p.event.EventName())
	r.SetTimestamp(p.event.GetWallClockTime())
	r.SetObservedTimestamp(time.Unix(0, p.observed))
	severity, text := severityOf(p.event.Severity())
	r.SetSeverity(severity)
	r.SetSeverityText(text)
	r.SetBody(attribute.StringValue(validText(p.event.Body())))
	m.described = p.event.Attributes(m.described[:0])
	m.attributes = m.attributes[:0]
	for _, a := range m.described {
		m.attributes = append(m.attributes, keyValue(a))
	}
	r.SetAttributes(m.attributes...)
}

func severityOf(s telemetry.Severity) (log.Severity, string) {
	if s == telemetry.Warn {
		return log.SeverityWarn, "WARN"
	}
	return log.SeverityInfo, "INFO"
}

func keyValue(a telemetry.Attribute) attribute.KeyValue {
	switch {
	case a.IsInt():
		return attribute.Int64(a.Key, a.Number())
	case a.IsFloat():
		return attribute.Float64(a.Key, a.Real())
	default:
		return attribute.String(a.Key, validText(a.Text()))
	}
}

// validText replaces what is not UTF-8. Any process can name itself with any bytes; OTLP and Prometheus refuse the
// whole batch or exposition that such a name stands in.
func validText(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
