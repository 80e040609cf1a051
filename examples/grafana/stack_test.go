package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// patience bounds what any part of the stack may take.
const patience = 60 * time.Second

// root is the repository's.
const root = "../.."

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// start runs a command from the root of the repository until the test ends.
func start(t *testing.T, environ []string, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), environ...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		late.Stop()
		if t.Failed() {
			words := said.String()
			t.Logf("%s said last:\n%s", name, words[max(len(words)-2000, 0):])
		}
	})
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

// jobs are two kerntaps that see the same, as one beside a workload and one on its host do.
var jobs = [...]string{"kerntap-of-one", "kerntap-of-host"}

// stack is two kerntaps, a real collector and a real Prometheus, in a row.
type stack struct{ prometheus string }

func newStack(t *testing.T) stack {
	t.Helper()
	collector := output(t, "scripts/collector.sh")
	binary := filepath.Join(t.TempDir(), "kerntap")
	output(t, "go", "build", "-o", binary, "./cmd/kerntap")

	grpc, scraped, own := bpftest.FreeAddress(t), bpftest.FreeAddress(t), bpftest.FreeAddress(t)
	start(t, []string{"OTLP_GRPC_ENDPOINT=" + grpc, "OTLP_HTTP_ENDPOINT=" + bpftest.FreeAddress(t), "HEALTH_ENDPOINT=" + bpftest.FreeAddress(t),
		"COLLECTOR_METRICS_PORT=" + portOf(own), "PROMETHEUS_LISTEN=" + scraped},
		collector, "--config", "otel-collector.yaml", "--config", "examples/collector/prometheus.yaml")

	s := stack{bpftest.FreeAddress(t)}
	for _, job := range jobs {
		start(t, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + grpc, "OTEL_SERVICE_NAME=" + job},
			binary, "run", "--listen", bpftest.FreeAddress(t), "--metric-interval", "500ms")
	}

	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yaml")
	if err := os.WriteFile(config, []byte(prometheusConfig(t, scraped, own)), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, nil, "prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+s.prometheus, "--log.level=warn")
	bpftest.Until(t, "Prometheus knows that kerntap's programs run", func() bool {
		programs, err := s.ask("kerntap_program_up == 1")
		return err == nil && len(programs) == programCount*len(jobs)
	})
	return s
}

// prometheusConfig is the example's, at this test's addresses and pace.
func prometheusConfig(t *testing.T, scraped, collector string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "examples/prometheus/prometheus.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := filepath.Abs(filepath.Join(root, "examples/prometheus/rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("127.0.0.1:8889", scraped, "127.0.0.1:8888", collector, "[rules.yaml]", "["+rules+"]",
		"interval: 10s", "interval: 500ms").Replace(string(text))
}

// sample is one series of an answer.
type sample struct {
	labels map[string]string
	value  float64
}

// ask puts a question to Prometheus, as of now.
func (s stack) ask(question string) ([]sample, error) {
	response, err := http.Get("http://" + s.prometheus + "/api/v1/query?query=" + url.QueryEscape(question))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s: %s", question, answer.Error)
	}
	var samples []sample
	for _, r := range answer.Data.Result {
		value, err := strconv.ParseFloat(fmt.Sprint(r.Value[1]), 64)
		if err != nil {
			return nil, err
		}
		samples = append(samples, sample{r.Metric, value})
	}
	return samples, nil
}
