package storm

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// process is a command that runs beside the load.
type process struct{ cmd *exec.Cmd }

func startProcess(b *testing.B, cmd *exec.Cmd) process {
	b.Helper()
	if cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	p := process{cmd}
	b.Cleanup(func() { p.stop(b) })
	return p
}

// stop ends the process in its own time. Stopping one that is stopped does nothing.
func (p process) stop(b *testing.B) {
	b.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGINT)
	if err := p.cmd.Wait(); err != nil {
		b.Errorf("%s: %v", p.cmd.Path, err)
	}
}

// cpu is the processor time that all threads of the process have used, by its own clock.
func (p process) cpu(b *testing.B) time.Duration {
	b.Helper()
	const schedulersClock = 2 // of a process, in the three lowest bits beside its id: posix-timers_types.h
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|schedulersClock), &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Nano())
}

// memory is a figure of /proc/<pid>/status in MB.
func (p process) memory(b *testing.B, name string) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	found := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		b.Fatalf("/proc has no %s", name)
	}
	kB, _ := strconv.ParseFloat(string(found[1]), 64)
	return kB * 1024 / 1e6
}

// objects sums a figure over the BPF objects of a kind that the process holds, by their ids: prog_id or map_id.
func (p process) objects(b *testing.B, kind, figure string) map[uint32]uint64 {
	b.Helper()
	all := make(map[uint32]uint64)
	infos, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", p.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	id := regexp.MustCompile(`\n` + kind + `:\s+(\d+)`)
	value := regexp.MustCompile(`\n` + figure + `:\s+(\d+)`)
	for _, path := range infos {
		info, _ := os.ReadFile(path) // it may be closed by now
		which, what := id.FindSubmatch(info), value.FindSubmatch(info)
		if which == nil || what == nil {
			continue
		}
		number, _ := strconv.ParseUint(string(which[1]), 10, 32)
		all[uint32(number)], _ = strconv.ParseUint(string(what[1]), 10, 64)
	}
	return all
}

// bpfTime is the time that each BPF function of the process has taken so far, by the function's name.
func (p process) bpfTime(b *testing.B) map[string]uint64 {
	b.Helper()
	all := make(map[string]uint64)
	for id, ns := range p.objects(b, "prog_id", "run_time_ns") {
		program, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
		if err != nil {
			b.Fatal(err)
		}
		info, err := program.Info()
		if err != nil {
			b.Fatal(err)
		}
		program.Close()
		all[info.Name] += ns
	}
	return all
}

// binary is a program that a variable of the environment names.
func binary(b *testing.B, variable string) string {
	b.Helper()
	path := os.Getenv(variable)
	if path == "" {
		bpftest.Missing(b, "needs "+variable+", which scripts/bench.sh sets")
	}
	return path
}

// startCollector starts an OpenTelemetry Collector that receives and forgets, and returns its address.
func startCollector(b *testing.B) string {
	b.Helper()
	path, address := binary(b, "KERNTAP_COLLECTOR"), bpftest.FreeAddress(b)
	config := fmt.Sprintf("yaml:{receivers: {otlp: {protocols: {grpc: {endpoint: '%s'}}}}, exporters: {nop: {}}, service: {"+
		"telemetry: {metrics: {level: none}, logs: {level: error}}, pipelines: {"+
		"logs: {receivers: [otlp], exporters: [nop]}, metrics: {receivers: [otlp], exporters: [nop]}}}}", address)
	startProcess(b, exec.Command(path, "--config", config))
	return address
}

// kerntap is the built binary as it runs by default.
type kerntap struct {
	process
	api string
}

// startKerntap returns once its programs read events.
func startKerntap(b *testing.B, collector string, options ...string) kerntap {
	b.Helper()
	k := kerntap{api: bpftest.FreeAddress(b)}
	args := append([]string{"run", "--listen", k.api, "--log-level", "error"}, options...)
	cmd := exec.Command(binary(b, "KERNTAP_BINARY"), args...)
	cmd.Env = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + collector} // nothing else is configured
	k.process = startProcess(b, cmd)
	for deadline := time.After(20 * time.Second); ; {
		if answer, err := http.Get("http://" + k.api + "/readyz"); err == nil {
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return k
			}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			b.Fatal("kerntap is not ready")
		}
	}
}

// claimed is what kerntap says that its programs' maps take, in MiB. Maps that programs share count for each.
func (k kerntap) claimed(b *testing.B) (mib float64) {
	b.Helper()
	answer, err := http.Get("http://" + k.api + "/api/programs")
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	var all struct {
		Programs []struct {
			MapBytes uint64 `json:"map_bytes"`
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&all); err != nil {
		b.Fatal(err)
	}
	for _, program := range all.Programs {
		mib += float64(program.MapBytes) / (1 << 20)
	}
	return mib
}

// maps is what the kernel says that they take, in MiB.
func (k kerntap) maps(b *testing.B) (mib float64) {
	b.Helper()
	for _, bytes := range k.objects(b, "map_id", "memlock") {
		mib += float64(bytes) / (1 << 20)
	}
	return mib
}
