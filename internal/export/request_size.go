package export

import (
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
)

// maxRequest is the most bytes of one request. A collector takes 4 MiB by default, counts them after decompression,
// and refuses what is larger for good.
const maxRequest = 4<<20 - 4<<10

// The most bytes that parts take beside their text in OTLP's protobuf: tags and lengths, and lengths of what they stand
// in. No length below maxRequest takes more than four bytes.
const (
	fieldSize     = 5                     // a tag and a length
	attributeSize = 4*fieldSize + 10      // the pair, its key, its value, the value in it; the longest number
	recordSize    = 2*9 + 3*fieldSize + 6 // two times, record, body and its value; severity number
	tracingSize   = 18 + 10 + 5 + 6       // trace, span, flags, dropped attributes
	textsSize     = 2 * fieldSize         // severity text, event name
	headSize      = 8 * fieldSize         // resource, scope and what they stand in
)

// fitting returns how many of the records, from the first on, surely fit into a request of limit bytes. All of them are
// of one scope. A resource that comes back after another is counted once more: that is cheaper than to remember it.
func fitting(records []sdklog.Record, limit int) int {
	size := 0
	var before *resource.Resource
	for i := range records {
		if of := records[i].Resource(); of != before {
			size, before = size+headSizeOf(&records[i]), of
		}
		size += sizeOf(&records[i])
		if size > limit {
			return i
		}
	}
	return len(records)
}

// headSizeOf is the most bytes that the resource and the scope of a record take.
func headSizeOf(r *sdklog.Record) int {
	scope := r.InstrumentationScope()
	size := headSize + len(scope.Name) + len(scope.Version) + len(scope.SchemaURL) + len(r.Resource().SchemaURL())
	for iter := scope.Attributes.Iter(); iter.Next(); {
		size += attributeSizeOf(iter.Attribute())
	}
	for iter := r.Resource().Iter(); iter.Next(); {
		size += attributeSizeOf(iter.Attribute())
	}
	return size
}

// sizeOf is the most bytes that a record takes in a request.
func sizeOf(r *sdklog.Record) int {
	size := recordSize + tracingSize + textsSize + len(r.EventName()) + len(r.SeverityText()) + valueSizeOf(r.Body())
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		size += attributeSizeOf(kv)
		return true
	})
	return size
}

func attributeSizeOf(kv attribute.KeyValue) int {
	return attributeSize + len(kv.Key) + valueSizeOf(kv.Value)
}

// valueSizeOf is the most bytes of a value beside those of attributeSize.
func valueSizeOf(v attribute.Value) int {
	switch v.Type() {
	case attribute.BOOL, attribute.INT64, attribute.FLOAT64, attribute.EMPTY:
		return 0
	case attribute.STRING:
		return len(v.AsString())
	default:
		// Events have no such values. An element takes two characters at least, and no more than a number does beside.
		return 2 * attributeSize * (1 + len(v.String()))
	}
}
