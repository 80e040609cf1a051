package main

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// prometheus is a real Prometheus that scrapes every second.
type prometheus struct{ address string }

func startPrometheus(t *testing.T, targets map[string]string) *prometheus {
	t.Helper()
	bpftest.RequireTool(t, "prometheus")
	p := &prometheus{bpftest.FreeAddress(t)}
	dir := t.TempDir()
	config := "global: {scrape_interval: 1s, scrape_timeout: 900ms}\nscrape_configs:\n"
	for job, target := range targets {
		config += fmt.Sprintf("- {job_name: %s, static_configs: [{targets: ['%s']}]}\n", job, target)
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("prometheus", "--config.file", file, "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", p.address, "--log.level", "error")
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	bpftest.Until(t, "Prometheus answers", func() bool {
		answer, err := http.Get("http://" + p.address + "/-/ready")
		if err == nil {
			answer.Body.Close()
		}
		return err == nil && answer.StatusCode == http.StatusOK
	})
	return p
}

// values are what a query gives second by second, from one time to another.
func (p *prometheus) values(t *testing.T, query string, from, to time.Time) (all []float64) {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct{ Values [][2]any }
		}
	}
	call(t, http.MethodGet, "http://"+p.address+"/api/v1/query_range?"+url.Values{"query": {query}, "step": {"1"},
		"start": {fmt.Sprint(from.Unix())}, "end": {fmt.Sprint(to.Unix())}}.Encode(), "", &answer)
	for _, series := range answer.Data.Result {
		for _, pair := range series.Values {
			value, err := strconv.ParseFloat(fmt.Sprint(pair[1]), 64)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, value)
		}
	}
	return all
}

// Whoever draws a rate sees the load that there is: a restart of kerntap, one of the collector and a reload look like
// nothing, or like a moment without news, but never like more than there was.
func TestRatesHaveNoSpikeWhenAnythingRestarts(t *testing.T) {
	const rate, total, command = 100, 50 * time.Second, "kt-rate"
	bpftest.RequireTool(t, "prometheus")
	ns, collector := newPlace(t), newOtelcol(t)
	collector.onSocket(t)
	collector.prometheus = bpftest.FreeAddress(t)
	collector.start(t)
	start := func() *isolated {
		return ns.start(t, otlpTo("grpc", collector.grpc), "--metric-interval", "500ms")
	}
	kerntap := start()
	backend := startPrometheus(t, map[string]string{"direct": ns.api, "collector": collector.prometheus})
	began := time.Now()
	seconds := int(total / time.Second)
	caller := ns.StartHelper(t, command, "dialPaced", strconv.Itoa(seconds*rate), strconv.Itoa(rate))
	<-time.After(15 * time.Second)
	kerntap.stop(t)
	start()
	<-time.After(12 * time.Second)
	collector.kill(t)
	<-time.After(3 * time.Second)
	collector.start(t)
	caller.End(t)
	ended := time.Now()
	for _, job := range []string{"direct", "collector"} {
		selector := fmt.Sprintf(`kerntap_tcp_connections_total{job="%s",kerntap_command="%s"}`, job, command)
		rates := backend.values(t, "sum(rate("+selector+"[5s]))", began.Add(6*time.Second), ended.Add(-time.Second))
		highest, sum := 0., 0.
		for _, value := range rates {
			highest, sum = math.Max(highest, value), sum+value
		}
		mean := sum / float64(max(len(rates), 1))
		t.Logf("%s: %d rates, highest %.0f, mean %.0f a second", job, len(rates), highest, mean)
		if len(rates) < 20 || highest > 1.5*rate || mean < rate/2 {
			t.Errorf("%s: rates between %v, the load is %d a second", job, rates, rate)
		}
	}
}
