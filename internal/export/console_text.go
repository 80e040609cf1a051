package export

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// The columns of a text line are as wide as the usual event names and bodies; longer ones push the rest aside.
const (
	eventColumn = 21
	bodyColumn  = 60
)

// textLogs writes one line for people a record.
type textLogs struct {
	unbuffered
	out      *lineWriter
	location *time.Location

	lines      []byte
	attributes []attribute.KeyValue
}

var _ sdklog.Exporter = (*textLogs)(nil)

// Export writes the records' lines at once.
func (t *textLogs) Export(_ context.Context, records []sdklog.Record) error {
	t.lines = t.lines[:0]
	for i := range records {
		t.lines = t.appendLine(t.lines, &records[i])
	}
	written, err := t.out.write(t.lines)
	if err != nil {
		return &partialError{exported: written, err: err}
	}
	return nil
}

// appendLine appends: time, severity, event, body, and the attributes that the body does not tell already.
func (t *textLogs) appendLine(dst []byte, r *sdklog.Record) []byte {
	body := r.Body().AsString()
	dst = r.Timestamp().In(t.location).AppendFormat(dst, "15:04:05.000")
	dst = append(dst, ' ')
	dst = appendPadded(dst, printable(r.SeverityText()), 4)
	dst = append(dst, "  "...)
	dst = appendPadded(dst, printable(strings.TrimPrefix(r.EventName(), "kerntap.")), eventColumn)
	dst = append(dst, "  "...)
	t.attributes = t.attributes[:0]
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		t.attributes = append(t.attributes, kv)
		return true
	})
	details := t.details(body)
	if details == "" {
		return append(append(dst, printable(body)...), '\n')
	}
	dst = appendPadded(dst, printable(body), bodyColumn)
	return append(append(dst, details...), '\n')
}

// details returns the attributes as " key=value": those that kerntap knows first and in the order of textKeys, then
// all others.
func (t *textLogs) details(body string) string {
	var b strings.Builder
	for _, known := range textKeys {
		value, ok := t.find(known.key)
		if !ok {
			continue
		}
		text := valueText(known.key, value)
		if port, ok := t.find(known.port); ok {
			text = net.JoinHostPort(text, valueText(known.port, port))
		}
		if !strings.Contains(body, known.before+text+known.after) {
			appendDetail(&b, known.short, text)
		}
	}
	for _, kv := range t.attributes {
		if text := valueText(string(kv.Key), kv.Value); !isKnown(string(kv.Key)) && !strings.Contains(body, text) {
			appendDetail(&b, string(kv.Key), text)
		}
	}
	return b.String()
}

func (t *textLogs) find(key string) (attribute.Value, bool) {
	for _, kv := range t.attributes {
		if string(kv.Key) == key {
			return kv.Value, true
		}
	}
	return attribute.Value{}, false
}

func appendDetail(b *strings.Builder, key, text string) {
	b.WriteString("  ")
	b.WriteString(printable(key))
	b.WriteByte('=')
	b.WriteString(quoted(text))
}

// valueText is a value as people read it; durations are seconds on the wire.
func valueText(key string, value attribute.Value) string {
	if key == telemetry.Duration && value.Type() == attribute.FLOAT64 {
		return shortDuration(time.Duration(value.AsFloat64() * float64(time.Second)))
	}
	if value.Type() == attribute.INT64 {
		return strconv.FormatInt(value.AsInt64(), 10)
	}
	return value.String()
}

// shortDuration rounds to what matters.
func shortDuration(d time.Duration) string {
	if d > time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Microsecond).String()
}
