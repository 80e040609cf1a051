package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// otlpTo is the environment that sends both signals to a URL, log records without delay.
func otlpTo(protocol, url string, more ...string) []string {
	return append([]string{"OTEL_EXPORTER_OTLP_PROTOCOL=" + protocol, "OTEL_EXPORTER_OTLP_ENDPOINT=" + url,
		"OTEL_BLRP_SCHEDULE_DELAY=20"}, more...)
}

func TestARealCollectorGetsBothSignals(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	made := newCertificates(t)
	trusting := "OTEL_EXPORTER_OTLP_CERTIFICATE=" + made.authority
	known := []string{trusting, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=" + made.client,
		"OTEL_EXPORTER_OTLP_CLIENT_KEY=" + made.clientKey}
	serverTLS := fmt.Sprintf("{cert_file: '%s', key_file: '%s'}", made.server, made.serverKey)
	mutualTLS := fmt.Sprintf("{cert_file: '%s', key_file: '%s', client_ca_file: '%s'}", made.server, made.serverKey, made.authority)
	for _, test := range []struct {
		name, scheme, tls string
		environ           []string
	}{
		{"plaintext", "http://", "", nil},
		{"TLS", "https://", serverTLS, []string{trusting}},
		{"mTLS", "https://", mutualTLS, known},
	} {
		for _, protocol := range []string{"grpc", "http/protobuf"} {
			t.Run(test.name+" "+protocol[:4], func(t *testing.T) {
				collector := newOtelcol(t)
				collector.tls = test.tls
				collector.start(t)
				address := collector.address(protocol)
				if got := securityOf(address); got != test.name {
					t.Fatalf("the collector speaks %s at %s, not %s", got, address, test.name)
				}
				deliver(t, ns, collector, otlpTo(protocol, test.scheme+address, test.environ...))
			})
		}
	}
}

// securityOf tells what a server wants of somebody who trusts everything and has no certificate.
func securityOf(address string) string {
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		return "plaintext"
	}
	defer conn.Close()
	// With TLS 1.3 the refusal of a client comes after the handshake. Servers that refuse nobody send settings (HTTP/2),
	// or complain of this (HTTP/1.1).
	if _, err := conn.Write([]byte("nonsense\r\n\r\n")); err != nil {
		return "mTLS"
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil && strings.Contains(err.Error(), "certificate required") {
		return "mTLS"
	}
	return "TLS"
}

// deliver has kerntap see one refused connect and looks for exactly that in what the collector wrote.
func deliver(t *testing.T, ns *bpftest.Namespace, collector *otelcol, environ []string) {
	t.Helper()
	const command = "kt-real"
	api := bpftest.FreeAddress(t)
	// Within an hour there is no export of metrics but the one at the end.
	r := startKerntapIn(t, environment{environ: environ, stderr: t.Output()}, "--listen", api, "--metric-interval", "1h")
	awaitReady(t, api)
	caller := ns.StartHelper(t, command, "dial", "127.0.0.1:7")
	caller.End(t)
	bpftest.Until(t, "the collector writes the record", func() bool { return len(failuresIn(t, collector.file, command)) > 0 })
	if sum := connectionsIn(t, collector.file, command); sum != 0 {
		t.Errorf("the metric came before its time: %d connections", sum)
	}
	if rest := r.stop(); rest != "" {
		t.Errorf("on standard output: %s", rest)
	}
	collector.stop(t)

	found := failuresIn(t, collector.file, command)
	if len(found) != 1 {
		t.Fatalf("%d records: %v", len(found), found)
	}
	for key, want := range map[string]string{
		"process.pid": strconv.Itoa(int(caller.PID)), "error.type": "refused", "network.peer.address": "127.0.0.1",
		"network.peer.port": "7", "kerntap.tcp.role": "client",
	} {
		if got := found[0][key]; got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if sum := connectionsIn(t, collector.file, command); sum != 1 {
		t.Errorf("kerntap.tcp.connections is %d, want 1", sum)
	}
}

func TestARealCollectorWithoutMetricsGetsLogs(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	for protocol, cause := range map[string]string{"grpc": "unimplemented", "http/protobuf": "404"} {
		t.Run(protocol[:4], func(t *testing.T) {
			collector := newOtelcol(t)
			collector.pipelines = []string{"logs"}
			collector.start(t)
			api := bpftest.FreeAddress(t)
			var said diagnostics
			r := startKerntapIn(t, environment{environ: otlpTo(protocol, "http://"+collector.address(protocol)), stderr: &said},
				"--listen", api, "--metric-interval", "1s")
			awaitReady(t, api)
			awaitHealth(t, api, "metrics are not taken by otlp "+protocol)
			ns.StartHelper(t, "kt-logs-only", "dial", "127.0.0.1:7").End(t)
			bpftest.Until(t, "the collector writes the record", func() bool {
				return len(failuresIn(t, collector.file, "kt-logs-only")) > 0
			})
			if d := exporterHealth(t, api).Destinations; len(d) != 1 || d[0].Metrics.Failed[cause] == 0 || d[0].Logs.Exported == 0 {
				t.Errorf("/health does not tell the signals apart: %+v", d)
			}
			ns.StartHelper(t, "kt-logs-last", "dial", "127.0.0.1:7").End(t)
			r.cancel() // the last metrics are refused as well
			if code := <-r.exited; code != 0 {
				t.Errorf("exit code %d although every log record was taken", code)
			}
			collector.stop(t)
			for _, command := range []string{"kt-logs-only", "kt-logs-last"} {
				if found := failuresIn(t, collector.file, command); len(found) != 1 {
					t.Errorf("%d records of %s: %v", len(found), command, found)
				}
			}
			said.check(t, map[string]int{"level=WARN": 1, "export failed": 1, "waiting": 0})
		})
	}
}

func TestMetricsThatAreRefusedOnceAtTheEndAreOneWarning(t *testing.T) {
	collector := newOtelcol(t)
	collector.pipelines = []string{"logs"}
	collector.start(t)
	api := bpftest.FreeAddress(t)
	var said diagnostics
	r := startKerntapIn(t, environment{environ: otlpTo("grpc", "http://"+collector.grpc), stderr: &said}, "--listen", api,
		"--metric-interval", "1h")
	awaitReady(t, api)
	r.cancel()
	if code := <-r.exited; code != 0 {
		t.Errorf("exit code %d", code)
	}
	said.check(t, map[string]int{"level=WARN": 1, "export failed": 1, "Unimplemented": 1})
}

// numbered connects to one port after the other, so that each connect can be told from all others.
type numbered struct {
	process *bpftest.Process
	dialed  int
}

// dial makes ten connects and returns when they are over.
func (n *numbered) dial(t *testing.T) {
	t.Helper()
	for range 10 {
		n.dialed++
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(n.dialed))
		n.process.Send(t, address)
		if done := n.process.Line(t); done != address {
			t.Fatalf("dialed %s instead of %s", done, address)
		}
	}
}

// countByPort returns how often each port's failed connect was written.
func countByPort(t *testing.T, command string, files ...string) map[string]int {
	t.Helper()
	written := make(map[string]int)
	for _, file := range files {
		for _, record := range failuresIn(t, file, command) {
			written[record["network.peer.port"]]++
		}
	}
	return written
}

// Of fifty connects ten come before the collector, ten with it, ten while it stops, ten while it is away and ten with its
// successor.
func TestNothingIsLostWhileARealCollectorComesAndGoes(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol[:4], func(t *testing.T) {
			const command = "kt-numbered"
			collector, api := newOtelcol(t), bpftest.FreeAddress(t)
			environ := otlpTo(protocol, "http://"+collector.address(protocol))
			r := startKerntapIn(t, environment{environ: environ, stderr: t.Output()}, "--listen", api, "--metric-interval", "1h",
				"--throttle-row", "off", "--throttle-program", "off")
			awaitReady(t, api)
			connects := numbered{process: ns.StartHelper(t, command, "dialLines")}

			connects.dial(t)
			awaitHealth(t, api, "waiting for")
			collector.start(t)
			first := collector.file
			connects.dial(t)
			bpftest.Until(t, "what the collector was too late for arrives", func() bool {
				return len(countByPort(t, command, first)) == connects.dialed
			})
			collector.interrupt(t)
			connects.dial(t)
			collector.wait(t)
			connects.dial(t)
			awaitHealth(t, api, "waiting for")
			collector.start(t)
			connects.dial(t)
			connects.process.End(t)
			bpftest.Until(t, "everything arrives", func() bool {
				return len(countByPort(t, command, first, collector.file)) == connects.dialed
			})
			r.stop()
			collector.stop(t)
			written := countByPort(t, command, first, collector.file)
			for port := range connects.dialed {
				if n := written[strconv.Itoa(port+1)]; n != 1 {
					t.Errorf("the connect to port %d was written %d times", port+1, n)
				}
			}
			if len(written) != 50 {
				t.Errorf("%d connects were written, want 50: %v", len(written), written)
			}
		})
	}
}
