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
	address, api := freeAddress(t), freeAddress(t)
	r := startKerntap(t, "--otlp-endpoint", address, "--console", "none", "--listen", api, "--metric-interval", "1s")
	awaitReady(t, api)
	ns.StartHelper(t, "kt-otlp", "dial", "127.0.0.1:1").End(t)
	awaitHealth(t, api, "waiting for otlp grpc "+address)

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
	r.cancel() // the metrics that this collector refuses make the flush fail
	if code := <-r.exited; code != exitFailed {
		t.Errorf("exit code %d", code)
	}
}

// awaitHealth asks until the exporter's reason says what it is to say.
func awaitHealth(t *testing.T, api, want string) {
	t.Helper()
	deadline := time.After(bpftestPatience)
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		var health struct {
			Exporter struct {
				Reason string `json:"reason"`
			} `json:"exporter"`
		}
		call(t, "GET", "http://"+api+"/health", "", &health)
		if strings.Contains(health.Exporter.Reason, want) {
			return
		}
		select {
		case <-retry.C:
		case <-deadline:
			t.Fatalf("the exporter says %q, not %q", health.Exporter.Reason, want)
		}
	}
}
