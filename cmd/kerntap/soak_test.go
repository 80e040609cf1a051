package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// soakTime is how long the load lasts: SOAK_TIME, or long enough to see that everything still takes part.
func soakTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("SOAK_TIME")
	if text == "" {
		return 20 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// soak is a kerntap under a load that mixes everything, and what is done to it.
type soak struct {
	*place
	kerntap   *isolated
	collector *otelcol
	file      string
	restarts  int
	reloads   int
}

// Under a mixed load, with containers that come and go, a collector that is restarted and killed and a configuration
// that is read again and again, kerntap grows in nothing, and at the end everything is counted, to the unit.
func TestSoak(t *testing.T) {
	s := &soak{place: newPlace(t), collector: newOtelcol(t), file: filepath.Join(t.TempDir(), "kerntap.yaml")}
	s.Firewall(t, "add table ip t; add chain ip t out { type filter hook output priority 0; }; "+
		"add rule ip t out udp dport 9 counter drop")
	s.binary = os.Getenv("SOAK_BINARY")
	s.collector.discards = true
	s.collector.onSocket(t)
	s.collector.start(t)
	s.write(t)
	s.kerntap = s.start(t, otlpTo("grpc", s.collector.grpc), "--config", s.file)
	load := s.StartHelper(t, "kt-soak", "mixed", "100")
	var churning sync.WaitGroup
	stop := make(chan struct{})
	var containers int
	churning.Go(func() { containers = churn(t, s.Namespace, stop) })
	looks := s.last(t, soakTime(t))
	close(stop)
	churning.Wait()
	load.CloseInput()
	opened, refused, sent := soakCounts(t, load.Line(t))
	load.End(t)
	s.check(t, opened, refused, sent, containers)
	t.Logf("%d containers\n%s", containers, table(looks))
	checkFlat(t, looks)
}

// last keeps kerntap busy for a while and looks at it ten times.
func (s *soak) last(t *testing.T, d time.Duration) (looks []look) {
	t.Helper()
	began := time.Now()
	looking, reloading := time.NewTicker(d/10), time.NewTicker(max(d/100, time.Second))
	restarting := time.NewTicker(max(d/12, 7*time.Second))
	defer looking.Stop()
	defer reloading.Stop()
	defer restarting.Stop()
	for len(looks) < 10 {
		select {
		case <-looking.C:
			looks = append(looks, s.look(t, time.Since(began)))
		case <-reloading.C:
			s.reload(t)
		case <-restarting.C:
			if s.restarts++; s.restarts%2 == 0 {
				s.collector.kill(t)
			} else {
				s.collector.stop(t)
			}
			s.collector.start(t)
		}
	}
	return looks
}

// write writes the configuration: the throttle, the interval of metrics and what is left out differ each time. What is left out
// is nothing that is counted here.
func (s *soak) write(t *testing.T) {
	t.Helper()
	yaml := fmt.Sprintf("programs:\n  connection: {records: [opened, failed, closed, udp_opened, udp_failed]}\n"+
		"  packet_drop: {records: [loss, refused, cleanup], exclude: [%s]}\n"+
		"  tcp_trouble: {records: [retransmit, reset_sent, reset_received]}\nthrottle: {row: %d, program: %d}\n"+
		"metric_interval: %ds\nstorage: {records: 2000}\notlp: {headers: {x-reload: '%d'}}\n",
		[]string{"", "TCP_OFOMERGE", "TCP_OFOMERGE, TCP_ZEROWINDOW"}[s.reloads%3], 3+s.reloads%5, 80+s.reloads%40, 1+s.reloads%3, s.reloads)
	if err := os.WriteFile(s.file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *soak) reload(t *testing.T) {
	t.Helper()
	s.reloads++
	s.write(t)
	if err := s.kerntap.process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	bpftest.Until(t, "the file is read again", func() bool {
		return strings.Count(s.kerntap.said.String(), "the new configuration is in force") == s.reloads
	})
}

func (s *soak) look(t *testing.T, after time.Duration) look {
	t.Helper()
	pid := s.kerntap.process.Pid
	l := look{after: after, residentKiB: memoryOf(t, pid, "VmRSS"), restarts: s.restarts, reloads: s.reloads}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		l.descriptors++
		if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, file.Name())); strings.Contains(to, "bpf-map") {
			l.maps++
		}
	}
	l.goroutines = int(scraped(t, s.api, "go_goroutines "))
	l.connections, l.drops = int(s.sum(t, "kerntap_tcp_connections_total{")), s.drops(t)
	l.exported = int(exporterHealth(t, s.api).Exported)
	var programs struct {
		Programs []struct {
			MapBytes uint64 `json:"map_bytes"`
		}
	}
	call(t, http.MethodGet, "http://"+s.api+"/health", "", &programs)
	for _, program := range programs.Programs {
		l.mapKiB += program.MapBytes >> 10
	}
	http.DefaultClient.CloseIdleConnections()
	return l
}

// sum adds up the series of /metrics whose lines contain every word.
func (s *soak) sum(t *testing.T, words ...string) (sum float64) {
	t.Helper()
	for _, value := range scrapedAll(t, s.api, words...) {
		sum += value
	}
	return sum
}

func soakCounts(t *testing.T, line string) (opened, refused, sent int) {
	t.Helper()
	if n, err := fmt.Sscan(line, &opened, &refused, &sent); n != 3 {
		t.Fatalf("%q: %v", line, err)
	}
	return opened, refused, sent
}

var ruleCount = regexp.MustCompile(`counter packets (\d+)`)

// check compares what kerntap counted with what was done.
func (s *soak) check(t *testing.T, opened, refused, sent, containers int) {
	t.Helper()
	refused += containers // each of them tries to connect once
	client := func() (opened, failed int) {
		all := s.sum(t, "kerntap_tcp_connections_total{", `kerntap_tcp_role="client"`)
		refused := s.sum(t, "kerntap_tcp_connections_total{", `kerntap_tcp_role="client"`, "error_type")
		return int(all - refused), int(refused)
	}
	rule, _ := strconv.Atoi(ruleCount.FindStringSubmatch(s.Run(t, "nft", "list ruleset"))[1])
	bpftest.Until(t, "the last counts are drained", func() bool {
		gotOpened, gotRefused := client()
		return gotOpened >= opened && gotRefused >= refused && s.drops(t) >= rule-s.missed(t)
	})
	gotOpened, gotRefused := client()
	drops := s.drops(t)
	if gotOpened != opened || gotRefused != refused || rule != sent || drops > rule || drops+s.missed(t) < rule {
		t.Errorf("%d connections opened of %d, %d refused of %d, %d datagrams dropped of %d, %d runs missed", gotOpened, opened,
			gotRefused, refused, drops, rule, s.missed(t))
	}
	bpftest.Until(t, "everything is exported", func() bool { return exporterHealth(t, s.api).Destinations[0].Logs.Queued == 0 })
	checkAccount(t, s.api)
	health := exporterHealth(t, s.api)
	if health.Dropped+health.Failed > 0 {
		t.Errorf("records were lost: %v", health.Causes)
	}
	t.Logf("%d connections opened, %d refused, %d datagrams dropped (%d runs missed), %d log records, all counted", opened,
		refused, rule, s.missed(t), health.Exported)
}

// drops is how many packets of the firewall's are counted.
func (s *soak) drops(t *testing.T) int {
	t.Helper()
	return int(s.sum(t, "kerntap_packet_drops_total{", "NETFILTER_DROP"))
}

// missed is how many runs of the program of drops the kernel skipped.
func (s *soak) missed(t *testing.T) int {
	return int(scraped(t, s.api, "kerntap_program_events_total{", "missed", "packet_drop"))
}
