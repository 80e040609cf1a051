package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// otelcol is a real OpenTelemetry Collector: it receives OTLP over gRPC and HTTP and writes all of it to a file.
type otelcol struct {
	grpc, http string // grpc may be a Unix socket: unix:///path
	// pipelines are the signals that it takes: both, unless given.
	pipelines []string
	// tls is the receivers' configuration, in YAML; none without it.
	tls string
	// prometheus is where it shows metrics to Prometheus; nowhere without it.
	prometheus string
	// discards tells that it keeps nothing of what it takes.
	discards bool

	path, file string
	cmd        *exec.Cmd
}

// newOtelcol returns a collector that is not started yet, but has its addresses. It skips the test where there is none
// and none can be built, and fails it where REQUIRE_BPF is set.
func newOtelcol(t *testing.T) *otelcol {
	t.Helper()
	build := exec.Command("../../scripts/collector.sh")
	build.Stderr = t.Output()
	path, err := build.Output()
	if err != nil {
		bpftest.Missing(t, "needs a collector: "+err.Error())
	}
	return &otelcol{grpc: bpftest.FreeAddress(t), http: bpftest.FreeAddress(t), path: strings.TrimSpace(string(path))}
}

// address is where the collector takes a protocol.
func (c *otelcol) address(protocol string) string {
	if protocol == "grpc" {
		return c.grpc
	}
	return c.http
}

// start starts the collector with an empty file and returns once it accepts connections. It is stopped with the test.
func (c *otelcol) start(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	c.file = filepath.Join(dir, "otlp.jsonl")
	if len(c.pipelines) == 0 {
		c.pipelines = []string{"logs", "metrics"}
	}
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte(c.config()), 0o600); err != nil {
		t.Fatal(err)
	}
	if network, path := c.listen(); network == "unix" {
		_ = os.Remove(path) // what a killed one has left
	}
	c.cmd = exec.Command(c.path, "--config", config)
	c.cmd.Stdout, c.cmd.Stderr = t.Output(), t.Output()
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.stop(t) })
	network, grpc := c.listen()
	for address, network := range map[string]string{grpc: network, c.http: "tcp"} {
		bpftest.Until(t, "the collector accepts at "+address, func() bool {
			conn, err := net.Dial(network, address)
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
}

// listen returns network and address of the gRPC receiver.
func (c *otelcol) listen() (network, address string) {
	if path, isUnix := strings.CutPrefix(c.grpc, "unix://"); isUnix {
		return "unix", path
	}
	return "tcp", c.grpc
}

// onSocket has the collector take gRPC at a Unix socket.
func (c *otelcol) onSocket(t *testing.T) {
	t.Helper()
	c.grpc = "unix://" + filepath.Join(t.TempDir(), "otlp.sock")
}

func (c *otelcol) config() string {
	var b strings.Builder
	tls := cmp.Or(c.tls, "null")
	network, grpc := c.listen()
	fmt.Fprintf(&b, "receivers: {otlp: {protocols: {grpc: {endpoint: '%s', transport: %s, tls: %s}, http: {endpoint: '%s', tls: %s}}}}\n",
		grpc, network, tls, c.http, tls)
	// A file that may be rotated is written at once: what the collector has taken is there, even if it is killed.
	fmt.Fprintf(&b, "exporters:\n  file: {path: '%s', rotation: {max_megabytes: 10000}}\n", c.file)
	exporters := map[string]string{"logs": "file", "metrics": "file"}
	if c.discards {
		fmt.Fprint(&b, "  nop:\n")
		exporters = map[string]string{"logs": "nop", "metrics": "nop"}
	}
	if c.prometheus != "" {
		fmt.Fprintf(&b, "  prometheus: {endpoint: '%s'}\n", c.prometheus)
		exporters["metrics"] = "file, prometheus"
	}
	fmt.Fprintf(&b, "service:\n  telemetry: {metrics: {level: none}, logs: {level: warn}}\n  pipelines:\n")
	for _, signal := range c.pipelines {
		fmt.Fprintf(&b, "    %s: {receivers: [otlp], exporters: [%s]}\n", signal, exporters[signal])
	}
	return b.String()
}

// interrupt asks the collector to end.
func (c *otelcol) interrupt(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
}

// wait returns once the collector has ended. Its file is whole then.
func (c *otelcol) wait(t *testing.T) {
	t.Helper()
	late := time.AfterFunc(bpftestPatience, func() { _ = c.cmd.Process.Kill() })
	defer late.Stop()
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("the collector ended with %v", err)
	}
	c.cmd = nil
}

// kill ends the collector as a crash does.
func (c *otelcol) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = c.cmd.Wait() // says that it was killed
	c.cmd = nil
}

// stop ends the collector. Stopping one that is stopped does nothing.
func (c *otelcol) stop(t *testing.T) {
	t.Helper()
	if c.cmd == nil {
		return
	}
	c.interrupt(t)
	c.wait(t)
}

// diagnostics are what kerntap writes to standard error while a test reads it.
type diagnostics struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (d *diagnostics) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.buf.Write(p)
}

func (d *diagnostics) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.buf.String()
}

// take returns what was said since the last call.
func (d *diagnostics) take() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.buf.Reset()
	return d.buf.String()
}

// check counts the lines that say something.
func (d *diagnostics) check(t *testing.T, want map[string]int) {
	t.Helper()
	for text, n := range want {
		said := 0
		for line := range strings.Lines(d.String()) {
			if strings.Contains(line, text) {
				said++
			}
		}
		if said != n {
			t.Errorf("%d lines say %q, want %d:\n%s", said, text, n, d)
		}
	}
}
