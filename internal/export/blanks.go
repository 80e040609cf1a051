package export

import (
	"container/list"
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/kerntap/kerntap/internal/workload"
)

// maxBlanks bounds the workloads whose blank records are remembered: as many as a large node runs.
const maxBlanks = 512

// located is an event that knows where its process belongs.
type located interface {
	GetWorkload() workload.Identity
}

// blanks has a blank record for each observed workload, a container or a service, so that each has a resource of its own in
// what is sent: a collector looks for them there. What is none is told under kerntap's own resource. The
// least recently used one leaves. Only a logger of the SDK can give a record its resource and its scope, so each blank
// is what a logger made once; copies of it are filled. It belongs to one goroutine.
type blanks struct {
	own     sdklog.Record
	version string

	known  map[workload.Identity]*list.Element
	recent *list.List // of *workloadBlank, the most recently used first
}

type workloadBlank struct {
	identity workload.Identity
	record   sdklog.Record
}

func newBlanks(o Options, own *resource.Resource) *blanks {
	b := &blanks{version: o.Version, known: make(map[workload.Identity]*list.Element), recent: list.New()}
	b.own = b.make(own)
	return b
}

// make returns a blank record of a resource.
func (b *blanks) make(res *resource.Resource) sdklog.Record {
	var made catcher
	provider := sdklog.NewLoggerProvider(
		sdklog.WithResource(res),
		sdklog.WithProcessor(&made),
		// Events name each attribute once; to look for duplicates would cost more than all the rest.
		sdklog.WithAllowKeyDuplication(),
		sdklog.WithAttributeCountLimit(-1),
		sdklog.WithAttributeValueLengthLimit(-1),
	)
	logger := provider.Logger(scopeName, log.WithInstrumentationVersion(b.version), log.WithSchemaURL(semconv.SchemaURL))
	logger.Emit(context.Background(), log.Record{})
	return made.record
}

// of returns the blank for the workload of an event.
func (b *blanks) of(event any) *sdklog.Record {
	located, ok := event.(located)
	if !ok || located.GetWorkload() == (workload.Identity{}) {
		return &b.own
	}
	identity := located.GetWorkload()
	if element, ok := b.known[identity]; ok {
		b.recent.MoveToFront(element)
		return &element.Value.(*workloadBlank).record
	}
	if b.recent.Len() >= maxBlanks {
		oldest := b.recent.Remove(b.recent.Back()).(*workloadBlank)
		delete(b.known, oldest.identity)
	}
	made := &workloadBlank{identity, b.make(workloadResource(identity))}
	b.known[identity] = b.recent.PushFront(made)
	return &made.record
}

// workloadResource says which container, pod and service, and nothing of kerntap: its own service name would be the
// workload's then.
func workloadResource(identity workload.Identity) *resource.Resource {
	var attrs []attribute.KeyValue
	if identity.ContainerID != "" {
		attrs = append(attrs, semconv.ContainerID(identity.ContainerID))
	}
	if identity.PodUID != "" {
		attrs = append(attrs, semconv.K8SPodUID(identity.PodUID))
	}
	if identity.ServiceName != "" {
		attrs = append(attrs, semconv.ServiceName(identity.ServiceName))
	}
	return resource.NewWithAttributes(semconv.SchemaURL, attrs...)
}

// catcher is a processor that keeps the last record.
type catcher struct {
	unbuffered
	record sdklog.Record
}

var _ sdklog.Processor = (*catcher)(nil)

// Enabled lets everything pass.
func (*catcher) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }

// OnEmit keeps the record. It has no attributes yet that it could share with another.
func (c *catcher) OnEmit(_ context.Context, r *sdklog.Record) error {
	c.record = *r
	return nil
}
