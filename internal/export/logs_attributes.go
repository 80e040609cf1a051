package export

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// attributeAdder is the first of the processors: it gives a record the attributes of the event that is being handled,
// all at once. The SDK's logger would add them one by one and let the record grow five times on the way, which is most
// of what a record costs.
type attributeAdder struct {
	passive
	attributes []attribute.KeyValue
}

var _ sdklog.Processor = (*attributeAdder)(nil)

// set keeps the attributes for the next record.
func (a *attributeAdder) set(described []telemetry.Attribute) {
	a.attributes = a.attributes[:0]
	for _, attr := range described {
		a.attributes = append(a.attributes, keyValue(attr))
	}
}

// OnEmit adds them. The record copies them before the next event overwrites them.
func (a *attributeAdder) OnEmit(_ context.Context, r *sdklog.Record) error {
	r.AddAttributes(a.attributes...)
	return nil
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
