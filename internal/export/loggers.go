package export

import (
	"container/list"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/kerntap/kerntap/internal/workload"
)

// maxLoggers bounds the containers whose loggers are remembered: as many as a large node runs.
const maxLoggers = 512

// located is an event that knows the container and the pod of its process.
type located interface {
	GetWorkload() workload.Identity
}

// loggers has a logger for each observed container, so that each has a resource of its own in what is sent: a
// collector looks for the container and the pod there. What has no container is told under kerntap's own resource. The
// least recently used logger leaves; it owns nothing. It belongs to one goroutine.
type loggers struct {
	own     log.Logger
	version string
	sdk     []sdklog.LoggerProviderOption

	known  map[workload.Identity]*list.Element
	recent *list.List // of *containerLogger, the most recently used first
}

type containerLogger struct {
	identity workload.Identity
	logger   log.Logger
}

func newLoggers(o Options, own *resource.Resource, processors ...sdklog.Processor) *loggers {
	l := &loggers{
		version: o.Version,
		sdk: []sdklog.LoggerProviderOption{
			// Events name each attribute once; to look for duplicates would cost more than all the rest.
			sdklog.WithAllowKeyDuplication(),
			sdklog.WithAttributeCountLimit(-1),
			sdklog.WithAttributeValueLengthLimit(-1),
		},
		known:  make(map[workload.Identity]*list.Element),
		recent: list.New(),
	}
	for _, processor := range processors {
		l.sdk = append(l.sdk, sdklog.WithProcessor(processor))
	}
	l.own = l.newLogger(own)
	return l
}

// newLogger makes a logger with a resource. Its provider owns nothing but processors that are not to be shut down.
func (l *loggers) newLogger(res *resource.Resource) log.Logger {
	provider := sdklog.NewLoggerProvider(append([]sdklog.LoggerProviderOption{sdklog.WithResource(res)}, l.sdk...)...)
	return provider.Logger(scopeName, log.WithInstrumentationVersion(l.version), log.WithSchemaURL(semconv.SchemaURL))
}

// of returns the logger for the container of an event.
func (l *loggers) of(event any) log.Logger {
	located, ok := event.(located)
	if !ok || located.GetWorkload() == (workload.Identity{}) {
		return l.own
	}
	identity := located.GetWorkload()
	if element, ok := l.known[identity]; ok {
		l.recent.MoveToFront(element)
		return element.Value.(*containerLogger).logger
	}
	if l.recent.Len() >= maxLoggers {
		oldest := l.recent.Remove(l.recent.Back()).(*containerLogger)
		delete(l.known, oldest.identity)
	}
	made := &containerLogger{identity, l.newLogger(containerResource(identity))}
	l.known[identity] = l.recent.PushFront(made)
	return made.logger
}

// containerResource says which container and pod, and nothing of kerntap: its own service name would be the
// container's then.
func containerResource(identity workload.Identity) *resource.Resource {
	var attrs []attribute.KeyValue
	if identity.ContainerID != "" {
		attrs = append(attrs, semconv.ContainerID(identity.ContainerID))
	}
	if identity.PodUID != "" {
		attrs = append(attrs, semconv.K8SPodUID(identity.PodUID))
	}
	return resource.NewWithAttributes(semconv.SchemaURL, attrs...)
}
