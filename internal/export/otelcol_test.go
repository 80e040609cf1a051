package export

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// unkept leaves no connections behind.
var unkept = http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// otelcol is a running OpenTelemetry Collector.
type otelcol struct {
	pid                 int
	grpc, http, metrics string
}

func (c *otelcol) address(protocol string) string {
	if protocol == ProtocolGRPC {
		return c.grpc
	}
	return c.http
}

// startOtelcol starts a collector that ends with the benchmark, and returns once it is healthy.
func startOtelcol(b *testing.B) *otelcol {
	b.Helper()
	path := os.Getenv("KERNTAP_COLLECTOR")
	if path == "" {
		b.Skip("KERNTAP_COLLECTOR does not name a collector's binary")
	}
	c := &otelcol{grpc: bpftest.FreeAddress(b), http: bpftest.FreeAddress(b), metrics: bpftest.FreeAddress(b)}
	health := bpftest.FreeAddress(b)
	_, port, err := net.SplitHostPort(c.metrics)
	if err != nil {
		b.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(path, "--config", filepath.Join("..", "..", "otel-collector.yaml"))
	cmd.Env = append(os.Environ(), "OTLP_GRPC_ENDPOINT="+c.grpc, "OTLP_HTTP_ENDPOINT="+c.http, "HEALTH_ENDPOINT="+health,
		"COLLECTOR_METRICS_PORT="+port)
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	c.pid = cmd.Process.Pid
	b.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			b.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			b.Errorf("%v:\n%s", err, said.Bytes())
		}
	})
	c.awaitHealthy(b, health)
	return c
}

func (c *otelcol) awaitHealthy(b *testing.B, address string) {
	b.Helper()
	for deadline := time.After(patience); ; {
		answer, err := unkept.Get("http://" + address)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			b.Fatalf("the collector is not healthy: %v", err)
		}
	}
}

// settle returns how many log records the collector received, in its own words, once it has exported all of them.
func (c *otelcol) settle(b *testing.B) int {
	b.Helper()
	received := c.own(b, "otelcol_receiver_accepted_log_records")
	for deadline := time.After(patience); ; {
		exported := c.own(b, "otelcol_exporter_sent_log_records")
		if exported >= received {
			return received
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			b.Fatalf("the collector exported %d records of %d", exported, received)
		}
	}
}

// own is the sum of one of the collector's metrics about itself.
func (c *otelcol) own(b *testing.B, name string) int {
	b.Helper()
	answer, err := unkept.Get("http://" + c.metrics + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	sum := 0.
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && strings.HasPrefix(fields[0], name) {
			value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
			if err != nil {
				b.Fatal(err)
			}
			sum += value
		}
	}
	return int(sum)
}

// processCPU is the processor time that another process has used, in steps of 10 ms.
func processCPU(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Fatal(err)
	}
	// The command's name is in brackets and may hold anything; the state, the third field, follows it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks time.Duration
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			tb.Fatal(err)
		}
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond
}

// memory is one of the sizes of /proc/<pid>/status, in MiB.
func memory(tb testing.TB, pid, field string) float64 {
	tb.Helper()
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if name, value, _ := strings.Cut(line, ":"); name == field {
			kib, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				tb.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	tb.Fatalf("no %s of %s", field, pid)
	return 0
}

// forgetPeak makes the peak of this process's resident memory begin anew.
func forgetPeak(tb testing.TB) {
	tb.Helper()
	heap()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		tb.Fatal(err)
	}
}
