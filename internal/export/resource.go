package export

import (
	"crypto/rand"
	"fmt"
	"os"
	"runtime"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// newResource describes this kerntap and the host it runs on. It never says anything of a container: the container
// around kerntap is not the one that kerntap observes.
func newResource(o Options) *resource.Resource {
	attrs := []attribute.KeyValue{
		semconv.ServiceName(o.ServiceName),
		semconv.ServiceInstanceID(instanceID()),
		semconv.OSTypeKey.String(runtime.GOOS),
		semconv.HostArchKey.String(hostArch(runtime.GOARCH)),
		semconv.TelemetrySDKName("opentelemetry"),
		semconv.TelemetrySDKLanguageGo,
		semconv.TelemetrySDKVersion(sdk.Version()),
	}
	if o.Version != "" {
		attrs = append(attrs, semconv.ServiceVersion(o.Version))
	}
	if name, err := os.Hostname(); err == nil {
		attrs = append(attrs, semconv.HostName(name))
	} else {
		o.Log.Warn("host name is not known", "error", err)
	}
	for key, value := range o.ResourceAttributes {
		attrs = append(attrs, attribute.String(key, value))
	}
	return resource.NewWithAttributes(semconv.SchemaURL, attrs...)
}

// hostArch spells Go's architectures as the semantic conventions do where the two differ.
func hostArch(goarch string) string {
	switch goarch {
	case "386":
		return "x86"
	case "arm":
		return "arm32"
	default:
		return goarch
	}
}

// instanceID returns a random UUID (RFC 9562, version 4): this process, among all that ever send to the same backend.
func instanceID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails: the runtime ends the process instead
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:])
}
