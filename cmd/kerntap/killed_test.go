package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// portsAnAddress is how many ports of an address dialPaced uses: those that no client of this machine gets, or it would now
// and then connect to itself.
const portsAnAddress = 30_000

// batch is the most records that kerntap sends in one request.
const batch = 512

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
		if conn, err := net.Dial("tcp", pacedAddress(i)); err == nil {
			conn.Close()
		}
	}
	return nil
}

// pacedAddress is where dialPaced connects to at its ith turn, from 0.
func pacedAddress(i int) string {
	return net.JoinHostPort(fmt.Sprint("127.0.0.", 1+i/portsAnAddress), strconv.Itoa(1+i%portsAnAddress))
}

// outage is how long a collector is away from a kerntap that may keep so many records.
type outage struct {
	queue       int
	away, total time.Duration
}

// At 1,000 records a second a collector is killed and comes back a minute later, or when the queue has long been full.
func TestACollectorIsKilledAtAThousandRecordsASecond(t *testing.T) {
	binary := buildKerntap(t)
	for name, o := range map[string]outage{
		"within the bound": {100_000, time.Minute, 68 * time.Second},
		"beyond the bound": {5_000, 12 * time.Second, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) { o.run(t, binary) })
	}
}

func (o outage) run(t *testing.T, binary string) {
	const rate, command = 1000, "kt-killed"
	n := int(o.total/time.Second) * rate
	ns, collector := newPlace(t), newOtelcol(t)
	ns.binary = binary
	collector.onSocket(t)
	collector.start(t)
	first := collector.file
	kerntap := o.startKerntap(t, ns, collector)
	caller := ns.StartHelper(t, command, "dialPaced", strconv.Itoa(n), strconv.Itoa(rate))
	bpftest.Until(t, "records arrive", func() bool { return exporterHealth(t, ns.api).Exported > 2*rate })
	pid := kerntap.process.Pid
	before := memoryOf(t, pid, "VmRSS")
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) // the peak begins anew, where the kernel can do that
	collector.kill(t)
	<-time.After(o.away)
	resident := memoryOf(t, pid, "VmRSS")
	queued := int(exporterHealth(t, ns.api).Destinations[0].Logs.Queued)
	collector.start(t)
	if made := int(o.away/time.Second) * rate; queued < min(made, o.queue)*9/10 {
		t.Errorf("%d records waited for the collector, of %d that were made meanwhile", queued, made)
	}
	caller.End(t)
	bpftest.Until(t, "everything is exported", func() bool {
		return exporterHealth(t, ns.api).Destinations[0].Logs.Queued == 0 && connectionsCounted(t, ns.api, command) == n
	})
	peak := memoryOf(t, pid, "VmHWM")
	account := checkAccount(t, ns.api)
	kerntap.stop(t)
	collector.awaitFinalAccount(t, account)
	collector.stop(t)
	dropped := o.checkMissing(t, account, n, countByPeer(t, command, first), countByPeer(t, command, first, collector.file))
	if got := connectionsIn(t, collector.file, command); got != int64(n) {
		t.Errorf("the metric says %d, want %d", got, n)
	}
	// With a full queue there is the queue and twice its garbage; while it empties there are its requests too.
	if resident > before+48<<10 || peak > before+64<<10 {
		t.Errorf("%d KiB resident with a full queue, %d at most until it was empty, %d before", resident, peak, before)
	}
	t.Logf("%d records, %d queued at the end of the outage, %d dropped, %d KiB resident then, %d at most, %d before", n, queued,
		dropped, resident, peak, before)
}

// startKerntap starts one that tells of each connection.
func (o outage) startKerntap(t *testing.T, ns *place, collector *otelcol) *isolated {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kerntap.yaml")
	const yaml = "programs: {connection: {records: [opened, failed, closed]}, packet_drop: {enabled: false}}\n"
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return ns.start(t, otlpTo("grpc", collector.grpc, fmt.Sprint("OTEL_BLRP_MAX_QUEUE_SIZE=", o.queue)),
		"--config", file, "--metric-interval", "1s", "--throttle-row", "off", "--throttle-program", "off")
}

// checkMissing fails unless the records that nobody got are as many as were dropped, and the oldest of those that waited.
// It returns how many.
func (o outage) checkMissing(t *testing.T, account facts, n int, before, written map[string]int) (dropped int) {
	t.Helper()
	dropped = int(account[fact{"exporter_records", "", "dropped", "queue_full"}])
	if lossy := int(o.away/time.Second)*1000 > o.queue; lossy != (dropped > 0) ||
		int(account[fact{"exporter_records", "", "exported", ""}])+dropped != n {
		t.Errorf("%d of %d records were dropped: %v", dropped, n, account)
	}
	var missing []int
	late := 0 // older than what is missing, and only with the second collector
	for i := range n {
		switch {
		case written[pacedAddress(i)] == 0:
			missing = append(missing, i)
		case len(missing) == 0 && before[pacedAddress(i)] == 0:
			late++
		}
	}
	if len(missing) != dropped || len(written)+dropped != n {
		t.Errorf("%d records were written, %d are missing and %d dropped of %d", len(written), len(missing), dropped, n)
	}
	if dropped == 0 {
		return dropped
	}
	// What is on its way does not leave: the batch that the first collector did not take, and another one where new records
	// fill the queue again while it is sent.
	first, last := missing[0], missing[len(missing)-1]
	if kept := last - first + 1 - len(missing) + late; kept > 2*batch {
		t.Errorf("%d are missing between the %dth and the %dth, and %d that are older than others of them were kept", len(missing),
			first, last, kept)
	}
	return dropped
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
			written[net.JoinHostPort(record["network.peer.address"], record["network.peer.port"])]++
		}
	}
	return written
}
