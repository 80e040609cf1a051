package main

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"

	"github.com/kerntap/kerntap/internal/api"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// collectorLogs is a collector without a metrics pipeline: it takes log records and hands out their attributes.
type collectorLogs struct {
	plogotlp.UnimplementedGRPCServer
	records chan map[string]any
}

func (c *collectorLogs) Export(ctx context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	for _, resource := range request.Logs().ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				select {
				case c.records <- record.Attributes().AsRaw():
				case <-ctx.Done():
				}
			}
		}
	}
	return plogotlp.NewExportResponse(), nil
}

func TestARefusedConnectReachesACollectorThatComesLate(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	address, local := bpftest.FreeAddress(t), bpftest.FreeAddress(t)
	r := startKerntap(t, "--otlp-endpoint", address, "--console", "none", "--listen", local, "--metric-interval", "1s")
	awaitReady(t, local)
	ns.StartHelper(t, "kt-otlp", "dial", "127.0.0.1:1").End(t)
	awaitHealth(t, local, "waiting for otlp grpc "+address)

	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	collector, server := &collectorLogs{records: make(chan map[string]any, 1024)}, grpc.NewServer()
	plogotlp.RegisterGRPCServer(server, collector)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		server.Stop()
		serving.Wait()
	})
	deadline := time.After(bpftestPatience)
	for found := false; !found; {
		select {
		case record := <-collector.records:
			found = record["kerntap.command"] == "kt-otlp" && record["error.type"] == "refused"
		case <-deadline:
			t.Fatal("the record did not arrive")
		}
	}
	r.cancel() // this collector refuses metrics, which costs no log record
	if code := <-r.exited; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestARunThatLeavesLogRecordsBehindFails(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	address, local := bpftest.FreeAddress(t), bpftest.FreeAddress(t)
	var said diagnostics
	r := startKerntapIn(t, environment{stderr: &said}, "--otlp-endpoint", address, "--listen", local, "--metric-interval", "1h")
	awaitReady(t, local)
	ns.StartHelper(t, "kt-left", "dial", "127.0.0.1:1").End(t)
	awaitHealth(t, local, "waiting for otlp grpc "+address)
	r.cancel()
	if code := <-r.exited; code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(said.String(), "log records left") {
		t.Errorf("nothing is said of what is left:\n%s", said.String())
	}
}

func TestWithoutConfigurationKerntapSaysWhereItSendsAndWaitsThere(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	if conn, err := net.Dial("tcp", "localhost:4317"); err == nil {
		conn.Close()
		bpftest.Missing(t, "needs localhost:4317, where somebody listens")
	}
	local := bpftest.FreeAddress(t)
	var said diagnostics
	r := startKerntapIn(t, environment{environ: []string{"OTEL_METRIC_EXPORT_TIMEOUT=300"}, stderr: &said}, "--listen", local,
		"--metric-interval", "500ms")
	awaitReady(t, local)
	ns.StartHelper(t, "kt-default", "dial", "127.0.0.1:1").End(t)
	awaitHealth(t, local, "waiting for otlp grpc localhost:4317")
	bpftest.Until(t, "several exports are given up", func() bool {
		return exporterHealth(t, local).Destinations[0].Metrics.Failed["unavailable"] > 2
	})
	r.cancel()
	<-r.exited
	said.check(t, map[string]int{`telemetry="OTLP (grpc) to localhost:4317"`: 1, "waiting for the collector": 1})
}

// exporterHealth is what /health says of the exporter.
func exporterHealth(t *testing.T, address string) api.ExporterStatus {
	t.Helper()
	var health struct {
		Exporter api.ExporterStatus `json:"exporter"`
	}
	call(t, "GET", "http://"+address+"/health", "", &health)
	return health.Exporter
}

// awaitHealth asks until the exporter's reason says what it is to say.
func awaitHealth(t *testing.T, address, want string) {
	t.Helper()
	bpftest.Until(t, "the exporter says: "+want, func() bool {
		return strings.Contains(exporterHealth(t, address).Reason, want)
	})
}
