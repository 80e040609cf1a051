package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// portsAnAddress is how many ports of an address dialPaced uses: those that no client of this machine gets, or it would now
// and then connect to itself.
const portsAnAddress = 30_000

// dialPaced connects args[0] times, args[1] times a second, each time to another port of loopback where nobody listens.
func dialPaced(args []string, _ io.Reader, _ io.Writer) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	rate, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	began := time.Now()
	for i := range n {
		if ahead := time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))); ahead > 5*time.Millisecond {
			<-time.After(ahead)
		}
		address := net.JoinHostPort(fmt.Sprint("127.0.0.", 1+i/portsAnAddress), strconv.Itoa(1+i%portsAnAddress))
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
		}
	}
	return nil
}

// At 1,000 records a second a collector is killed and comes back a minute later, or when the queue has long been full.
func TestACollectorIsKilledAtAThousandRecordsASecond(t *testing.T) {
	for _, test := range []struct {
		name        string
		queue       int
		away, total time.Duration
		lossy       bool
	}{
		{"within the bound", 100_000, time.Minute, 68 * time.Second, false},
		{"beyond the bound", 5_000, 12 * time.Second, 20 * time.Second, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			const rate, command = 1000, "kt-killed"
			n := int(test.total/time.Second) * rate
			ns, collector := newPlace(t), newOtelcol(t)
			collector.onSocket(t)
			collector.start(t)
			first := collector.file
			file := filepath.Join(t.TempDir(), "kerntap.yaml")
			const yaml = "programs: {connection: {records: [opened, failed, closed]}, packet_drop: {enabled: false}}\n"
			if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			kerntap := ns.start(t, otlpTo("grpc", collector.grpc, fmt.Sprint("OTEL_BLRP_MAX_QUEUE_SIZE=", test.queue)),
				"--config", file, "--metric-interval", "1s", "--throttle-row", "off", "--throttle-program", "off")
			api := ns.api
			caller := ns.StartHelper(t, command, "dialPaced", strconv.Itoa(n), strconv.Itoa(rate))
			until(t, "records arrive", func() bool { return exporterHealth(t, api).Exported > 2*rate })
			before := memoryOf(t, kerntap.process.Pid, "VmRSS")
			collector.kill(t)
			<-time.After(test.away)
			resident := memoryOf(t, kerntap.process.Pid, "VmRSS")
			collector.start(t)
			caller.End(t)
			until(t, "everything is exported", func() bool {
				return exporterHealth(t, api).Destinations[0].Logs.Queued == 0 && connectionsCounted(t, api, command) == n
			})
			checkAccount(t, api)
			dropped := int(exporterHealth(t, api).Dropped)
			if lossy := dropped > 0; lossy != test.lossy || exporterHealth(t, api).Causes["queue_full"] != uint64(dropped) {
				t.Errorf("%d records were dropped: %v", dropped, exporterHealth(t, api).Causes)
			}
			kerntap.stop(t)
			collector.awaitFinalAccount(t)
			collector.stop(t)
			written := len(countByPeer(t, command, first, collector.file))
			if written+dropped != n {
				t.Errorf("%d records were written and %d dropped of %d", written, dropped, n)
			}
			if got := connectionsIn(t, collector.file, command); got != int64(n) {
				t.Errorf("the metric says %d, want %d", got, n)
			}
			if resident > before+48<<10 { // the queue, twice its garbage, and what a race detector adds
				t.Errorf("%d KiB resident with a full queue, %d before", resident, before)
			}
			t.Logf("%d records, %d written, %d dropped, %d KiB resident at the end of the outage", n, written, dropped, resident)
		})
	}
}

// connectionsCounted is how many connections of a command /metrics tells.
func connectionsCounted(t *testing.T, api, command string) int {
	t.Helper()
	return int(scraped(t, api, "kerntap_tcp_connections_total{", `kerntap_command="`+command+`"`))
}

// memoryOf is one of the sizes of /proc/<pid>/status, in KiB.
func memoryOf(t *testing.T, pid int, field string) (kib int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if name, value, _ := strings.Cut(line, ":"); name == field {
			kib, _ = strconv.Atoi(strings.Fields(value)[0])
		}
	}
	return kib
}

// countByPeer returns how often each failed connect was written, by where it went.
func countByPeer(t *testing.T, command string, files ...string) map[string]int {
	t.Helper()
	written := make(map[string]int)
	for _, file := range files {
		for _, record := range failuresIn(t, file, command) {
			written[record["network.peer.address"]+" "+record["network.peer.port"]]++
		}
	}
	return written
}

// account is what /health says of the way of events, from the kernel to the collector.
type account struct {
	Programs []struct {
		Name     string
		Counters struct {
			Seen, Recorded, Throttled, Counted, Lost, Filtered, Missed, Undecodable, Dropped, Delivered uint64
		}
	}
	Exporter struct{ Emitted, Exported, Dropped, Failed uint64 }
}

// checkAccount fails unless the events of all programs add up to the unit, in /health, and the records of those whose
// records are all sent.
func checkAccount(t *testing.T, api string) {
	t.Helper()
	var is account
	until(t, "what was delivered is emitted", func() bool { // both are read while events go on
		is = account{}
		call(t, http.MethodGet, "http://"+api+"/health", "", &is)
		var delivered uint64
		for _, program := range is.Programs {
			delivered += program.Counters.Delivered
		}
		e := is.Exporter
		return delivered == e.Emitted && e.Emitted == e.Exported+e.Dropped+e.Failed
	})
	shown := make(map[string]uint64) // on /metrics
	for _, outcome := range []string{"exported", "dropped", "failed"} {
		for _, n := range scrapedAll(t, api, "kerntap_exporter_records_total{", `kerntap_outcome="`+outcome+`"`) {
			shown[outcome] += uint64(n)
		}
	}
	if shown["exported"] != is.Exporter.Exported || shown["dropped"] != is.Exporter.Dropped || shown["failed"] != is.Exporter.Failed {
		t.Errorf("/metrics says %v, /health %+v", shown, is.Exporter)
	}
	for _, program := range is.Programs {
		c := program.Counters
		seen := c.Recorded + c.Throttled + c.Counted + c.Lost + c.Filtered + c.Missed
		if c.Seen != seen || c.Recorded < c.Undecodable+c.Dropped+c.Delivered {
			t.Errorf("%s does not add up: %+v", program.Name, c)
		}
	}
}

// awaitFinalAccount returns once kerntap's last metrics are written, and fails unless what they say of its records adds
// up: what a program delivered ended with a collector or as a loss that has a name.
func (c *otelcol) awaitFinalAccount(t *testing.T) {
	t.Helper()
	var last string
	until(t, "the account over OTLP adds up", func() bool {
		for _, line := range lines(t, c.file) {
			if strings.Contains(line, "kerntap.program.records") {
				last = line
			}
		}
		if last == "" {
			return false
		}
		request, err := (&pmetric.JSONUnmarshaler{}).UnmarshalMetrics([]byte(last))
		if err != nil {
			t.Fatal(err)
		}
		events, records := sumsBy(request, "kerntap.program.events"), sumsBy(request, "kerntap.program.records")
		exported := sumsBy(request, "kerntap.exporter.records")
		recorded := records["delivered"] + records["undecodable"] + records["dropped"]
		left := exported["exported"] + exported["dropped"] + exported["failed"]
		return events["recorded"] == recorded && records["delivered"] == left
	})
}

// sumsBy sums the points of a metric by kerntap.outcome.
func sumsBy(request pmetric.Metrics, name string) map[string]int64 {
	sums := make(map[string]int64)
	for _, resource := range request.ResourceMetrics().All() {
		for _, scope := range resource.ScopeMetrics().All() {
			for _, metric := range scope.Metrics().All() {
				if metric.Name() != name {
					continue
				}
				for _, point := range metric.Sum().DataPoints().All() {
					outcome, _ := point.Attributes().Get("kerntap.outcome")
					sums[outcome.Str()] += point.IntValue()
				}
			}
		}
	}
	return sums
}
