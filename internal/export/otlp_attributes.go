package export

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
)

// putResource translates a resource; its schema URL stands beside it.
func putResource(dst pcommon.Resource, res *resource.Resource) {
	if res != nil {
		putSet(dst.Attributes(), res.Set())
	}
}

// putScope translates a scope; its schema URL stands beside it.
func putScope(dst pcommon.InstrumentationScope, scope instrumentation.Scope) {
	dst.SetName(scope.Name)
	dst.SetVersion(scope.Version)
	putSet(dst.Attributes(), &scope.Attributes)
}

func putSet(dst pcommon.Map, set *attribute.Set) {
	dst.EnsureCapacity(set.Len())
	for iter := set.Iter(); iter.Next(); {
		kv := iter.Attribute()
		putValue(dst.PutEmpty(string(kv.Key)), kv.Value)
	}
}

// putValue translates a value of any type.
func putValue(dst pcommon.Value, v attribute.Value) {
	switch v.Type() {
	case attribute.BOOL:
		dst.SetBool(v.AsBool())
	case attribute.INT64:
		dst.SetInt(v.AsInt64())
	case attribute.FLOAT64:
		dst.SetDouble(v.AsFloat64())
	case attribute.STRING:
		dst.SetStr(v.AsString())
	case attribute.BYTESLICE:
		dst.SetEmptyBytes().FromRaw(v.AsByteSlice())
	case attribute.BOOLSLICE:
		putSlice(dst, v.AsBoolSlice(), pcommon.Value.SetBool)
	case attribute.INT64SLICE:
		putSlice(dst, v.AsInt64Slice(), pcommon.Value.SetInt)
	case attribute.FLOAT64SLICE:
		putSlice(dst, v.AsFloat64Slice(), pcommon.Value.SetDouble)
	case attribute.STRINGSLICE:
		putSlice(dst, v.AsStringSlice(), pcommon.Value.SetStr)
	case attribute.SLICE:
		putSlice(dst, v.AsSlice(), putValue)
	case attribute.MAP:
		m := dst.SetEmptyMap()
		for _, kv := range v.AsMap() {
			putValue(m.PutEmpty(string(kv.Key)), kv.Value)
		}
	}
}

func putSlice[T any](dst pcommon.Value, values []T, put func(pcommon.Value, T)) {
	slice := dst.SetEmptySlice()
	slice.EnsureCapacity(len(values))
	for _, v := range values {
		put(slice.AppendEmpty(), v)
	}
}
