package export

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// toLogs translates records to one OTLP request: each resource and each scope stands in it once. Records of events
// belong to no trace, so there is no context to translate.
func toLogs(records []sdklog.Record) plog.Logs {
	type scopeKey struct {
		resource attribute.Distinct
		scope    instrumentation.Scope
	}
	logs := plog.NewLogs()
	resources := map[attribute.Distinct]plog.ResourceLogs{}
	scopes := map[scopeKey]plog.ScopeLogs{}
	for i := range records {
		r := &records[i]
		key := scopeKey{resource: r.Resource().Equivalent(), scope: r.InstrumentationScope()}
		to, ok := scopes[key]
		if !ok {
			res, ok := resources[key.resource]
			if !ok {
				res = logs.ResourceLogs().AppendEmpty()
				res.SetSchemaUrl(r.Resource().SchemaURL())
				putResource(res.Resource(), r.Resource())
				resources[key.resource] = res
			}
			to = res.ScopeLogs().AppendEmpty()
			to.SetSchemaUrl(key.scope.SchemaURL)
			putScope(to.Scope(), key.scope)
			scopes[key] = to
		}
		putRecord(to.LogRecords().AppendEmpty(), r)
	}
	return logs
}

func putRecord(dst plog.LogRecord, r *sdklog.Record) {
	dst.SetEventName(r.EventName())
	dst.SetTimestamp(pcommon.NewTimestampFromTime(r.Timestamp()))
	dst.SetObservedTimestamp(pcommon.NewTimestampFromTime(r.ObservedTimestamp()))
	dst.SetSeverityNumber(plog.SeverityNumber(r.Severity())) // both number severities as OTLP does
	dst.SetSeverityText(r.SeverityText())
	dst.SetDroppedAttributesCount(uint32(r.DroppedAttributes()))
	putValue(dst.Body(), r.Body())
	dst.Attributes().EnsureCapacity(r.AttributesLen())
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		putValue(dst.Attributes().PutEmpty(string(kv.Key)), kv.Value)
		return true
	})
}
