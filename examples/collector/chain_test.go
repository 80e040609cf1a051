// Package collector tests the configurations beside it as they are: real collectors in two tiers, behind a real kerntap.
package collector

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// patience bounds what any part of the chain may take.
const patience = 60 * time.Second

// root is the repository's.
const root = "../.."

func TestMain(m *testing.M) {
	bpftest.RunHelper(map[string]bpftest.Helper{"database": database, "service": service})
	goleak.VerifyTestMain(m)
}

// output is what a command from the root of the repository prints last.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stderr = root, t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return strings.TrimSpace(string(out))
}

// process runs from the root of the repository until it is stopped.
type process struct {
	cmd     *exec.Cmd
	said    bytes.Buffer
	stopped bool
}

// start starts it by do, which may be in a network namespace.
func start(t *testing.T, do func(func()), environ []string, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...)}
	p.cmd.Dir, p.cmd.Env = root, append(os.Environ(), environ...)
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	var err error
	do(func() { err = p.cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			words := p.said.String()
			t.Logf("%s said last:\n%s", name, words[max(len(words)-2000, 0):])
		}
	})
	return p
}

func here(do func()) { do() }

// stop asks it to end, and returns once it has sent what it had.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if p.stopped {
		return
	}
	p.stopped = true
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%s ended with %v", p.cmd.Path, err)
	}
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// freeAddresses are addresses for a process that binds them later: of a host in 127.0.0.0/8 that no other test has, as it is
// told by a port that is held until the test ends. What others bind or connect from 127.0.0.1 cannot be in their way.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	own := listen(t, "tcp", "127.0.0.1:0").Addr().(*net.TCPAddr).Port
	addresses := make([]string, n)
	for i := range addresses {
		listener := listen(t, "tcp", fmt.Sprintf("127.1.%d.%d:0", own>>8, own&255))
		defer listener.Close() // when there are all, so that no two are the same
		addresses[i] = listener.Addr().String()
	}
	return addresses
}

// collector is a real one with otel-collector.yaml and overlays.
type collector struct {
	*process
	grpc string
	// files are what it writes, of each signal.
	files []string
}

// startLast starts one that also writes what it takes, for the end of the chain. Each signal has an exporter of its own: one
// for both is closed with the signal that ends first, and the collector panics on what the other one still has.
func startLast(t *testing.T, environ []string, overlays ...string) collector {
	t.Helper()
	overlay, logs, metrics := filepath.Join(t.TempDir(), "files.yaml"), filepath.Join(t.TempDir(), "logs"), filepath.Join(t.TempDir(), "metrics")
	text := "exporters: {file/logs: {path: '" + logs + "', flush_interval: 200ms}, file/metrics: {path: '" + metrics + "'}}\n" +
		"service: {pipelines: {logs/file: {receivers: [forward], exporters: [file/logs]}, metrics/file: {receivers: [forward], exporters: [file/metrics]}}}\n"
	if err := os.WriteFile(overlay, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := startCollector(t, environ, append(overlays, overlay)...)
	c.files = []string{logs, metrics}
	return c
}

func startCollector(t *testing.T, environ []string, overlays ...string) collector {
	t.Helper()
	free := freeAddresses(t, 4)
	c := collector{grpc: free[0]}
	host, own, _ := net.SplitHostPort(free[1])
	args := []string{"--config", "otel-collector.yaml"}
	for _, overlay := range overlays {
		if !filepath.IsAbs(overlay) {
			overlay = "examples/collector/" + overlay + ".yaml"
		}
		args = append(args, "--config", overlay)
	}
	c.process = start(t, here, append(environ, "OTLP_GRPC_ENDPOINT="+c.grpc, "OTLP_HTTP_ENDPOINT="+free[2],
		"HEALTH_ENDPOINT="+free[3], "COLLECTOR_METRICS_HOST="+host, "COLLECTOR_METRICS_PORT="+own), output(t, "scripts/collector.sh"), args...)
	bpftest.Until(t, "a collector takes OTLP", func() bool {
		conn, err := net.Dial("tcp", c.grpc)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return c
}
