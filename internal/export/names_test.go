package export

import (
	"log/slog"
	"maps"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/kerntap/kerntap/internal/telemetry"
)

func TestStableNamesAreThoseOfTheSemanticConventions(t *testing.T) {
	for name, key := range map[string]attribute.Key{
		telemetry.NetworkTransport:    semconv.NetworkTransportKey,
		telemetry.NetworkType:         semconv.NetworkTypeKey,
		telemetry.NetworkLocalAddress: semconv.NetworkLocalAddressKey,
		telemetry.NetworkLocalPort:    semconv.NetworkLocalPortKey,
		telemetry.NetworkPeerAddress:  semconv.NetworkPeerAddressKey,
		telemetry.NetworkPeerPort:     semconv.NetworkPeerPortKey,
		telemetry.SourceAddress:       semconv.SourceAddressKey,
		telemetry.SourcePort:          semconv.SourcePortKey,
		telemetry.DestinationAddress:  semconv.DestinationAddressKey,
		telemetry.DestinationPort:     semconv.DestinationPortKey,
		telemetry.ProcessPID:          semconv.ProcessPIDKey,
		telemetry.ProcessVPID:         semconv.ProcessVpidKey,
		telemetry.ProcessExecutable:   semconv.ProcessExecutableNameKey,
		telemetry.ErrorType:           semconv.ErrorTypeKey,
	} {
		if name != string(key) {
			t.Errorf("%q is %q in the semantic conventions", name, key)
		}
	}
	for name, value := range map[string]attribute.KeyValue{
		telemetry.TCP:  semconv.NetworkTransportTCP,
		telemetry.UDP:  semconv.NetworkTransportUDP,
		telemetry.IPv4: semconv.NetworkTypeIPv4,
		telemetry.IPv6: semconv.NetworkTypeIPv6,
	} {
		if name != value.Value.AsString() {
			t.Errorf("%q is %q in the semantic conventions", name, value.Value.AsString())
		}
	}
}

func TestOurNamesStandUnderOurOwn(t *testing.T) {
	for _, name := range []string{
		telemetry.Command, telemetry.TCPRole, telemetry.Errno, telemetry.Duration, telemetry.DropReason,
		telemetry.DropClass, telemetry.DropLocation, telemetry.PacketSize, telemetry.EtherType,
		telemetry.Attribution, telemetry.ProgramName, telemetry.Outcome, telemetry.Destination, telemetry.MetricName,
		telemetry.Reduction, telemetry.ProgramReductions.Name, telemetry.Shortage, telemetry.ProgramShortages.Name,
		telemetry.EventTCPOpened, telemetry.EventTCPFailed, telemetry.EventTCPClosed, telemetry.EventTCPListenDropped, telemetry.EventPacketDropped,
		telemetry.TCPConnections.Name, telemetry.TCPConnectDuration.Name, telemetry.TCPConnectionDuration.Name,
		telemetry.PacketDrops.Name, telemetry.ProgramEvents.Name, telemetry.ProgramRecords.Name,
		telemetry.ProgramUp.Name, telemetry.ProgramQueued.Name, telemetry.ProgramLedgerRows.Name,
		telemetry.ExporterRecords.Name, telemetry.SeriesActive.Name, telemetry.SeriesOverflows.Name,
	} {
		if !strings.HasPrefix(name, "kerntap.") {
			t.Errorf("%q is not ours and not in the semantic conventions' test", name)
		}
	}
}

func TestResource(t *testing.T) {
	get := func(o Options) map[attribute.Key]string {
		o, err := o.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		res := newResource(o)
		if res.SchemaURL() != semconv.SchemaURL {
			t.Errorf("schema URL %q", res.SchemaURL())
		}
		all := map[attribute.Key]string{}
		for _, kv := range res.Attributes() {
			all[kv.Key] = kv.Value.AsString()
		}
		return all
	}
	first, second := get(Options{Version: "1.2.3"}), get(Options{})
	if first[semconv.ServiceNameKey] != "kerntap" || first[semconv.ServiceVersionKey] != "1.2.3" ||
		first[semconv.OSTypeKey] != runtime.GOOS || first[semconv.HostArchKey] == "" || first[semconv.HostNameKey] == "" {
		t.Errorf("resource = %v", first)
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if id := first[semconv.ServiceInstanceIDKey]; !uuid.MatchString(id) || id == second[semconv.ServiceInstanceIDKey] {
		t.Errorf("instance id %q, then %q", id, second[semconv.ServiceInstanceIDKey])
	}
	if _, known := second[semconv.ServiceVersionKey]; known {
		t.Error("a version that is not known is in the resource")
	}
	for key := range maps.Keys(first) {
		if strings.HasPrefix(string(key), "container.") {
			t.Errorf("%s is in the resource", key)
		}
	}
	given := get(Options{ServiceName: "mine", ResourceAttributes: map[string]string{"host.name": "h", "team": "net"}})
	if given[semconv.ServiceNameKey] != "mine" || given[semconv.HostNameKey] != "h" || given["team"] != "net" {
		t.Errorf("resource = %v", given)
	}
}

func TestRouteSDKErrors(t *testing.T) {
	var log strings.Builder
	RouteSDKErrors(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { RouteSDKErrors(slog.New(slog.DiscardHandler)) })
	otel.Handle(strings.NewReader("").UnreadByte())
	if !strings.Contains(log.String(), "telemetry is incomplete") {
		t.Errorf("log = %q", log.String())
	}
}
