package workload

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a process as the kernel numbers it, and when it began: a pid is given again.
type Process struct {
	PID uint32
	// Began is the time since the boot, suspended time included.
	Began time.Duration
}

// tick is the unit in which /proc tells times: USER_HZ is 100 on the architectures that kerntap runs on.
const tick = time.Second / 100

// maxEnvironment bounds what is read of the memory of a process.
const maxEnvironment = 1 << 20

// Services reads what processes say of themselves in their environment. It belongs to one goroutine.
type Services struct {
	proc  fs.FS
	known map[Process]string
}

// NewServices reads from the file system proc, os.DirFS("/proc") but for tests; the memory of processes is this machine's.
func NewServices(proc fs.FS) *Services { return &Services{proc: proc} }

// maxProcesses bounds the processes that are remembered: far more than a host runs at a time.
const maxProcesses = 4096

// Name returns the service name that a process has in its environment, "" if it has none, is gone or may not be read. It reads
// /proc once for each process.
func (s *Services) Name(process Process) string {
	if process.PID == 0 {
		return ""
	}
	name, ok := s.known[process]
	if ok {
		return name
	}
	if s.known == nil || len(s.known) >= maxProcesses {
		s.known = make(map[Process]string)
	}
	name = s.read(process)
	s.known[process] = name
	return name
}

func (s *Services) read(process Process) string {
	before, err := s.stat(process.PID)
	if err != nil || before.began != uint64(process.Began/tick) {
		return ""
	}
	environment, err := fs.ReadFile(s.proc, fmt.Sprint(process.PID, "/environ"))
	if errors.Is(err, fs.ErrPermission) { // of another user: CAP_SYS_PTRACE shows the memory, but not the file
		environment, err = memory(int(process.PID), before.environ, before.environEnd)
	}
	if err != nil {
		return ""
	}
	if after, err := s.stat(process.PID); err != nil || after != before { // it was this process all the time
		return ""
	}
	return ServiceName(environment)
}

// memory reads the memory of a process; process_vm_readv(2).
func memory(pid int, from, to uint64) ([]byte, error) {
	if from >= to || to-from > maxEnvironment {
		return nil, fmt.Errorf("an environment from %#x to %#x", from, to)
	}
	content := make([]byte, to-from)
	local := unix.Iovec{Base: &content[0]}
	local.SetLen(len(content))
	n, err := unix.ProcessVMReadv(pid, []unix.Iovec{local}, []unix.RemoteIovec{{Base: uintptr(from), Len: len(content)}}, 0)
	if err != nil {
		return nil, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	return content[:n], nil
}

// stat is what is needed of /proc/PID/stat; proc_pid_stat(5).
type stat struct {
	began               uint64 // in ticks
	environ, environEnd uint64 // 0 where it may not be shown
}

func (s *Services) stat(pid uint32) (stat, error) {
	content, err := fs.ReadFile(s.proc, fmt.Sprint(pid, "/stat"))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(content))
}

// parseStat reads the fields after the name, which may have spaces and brackets in it.
func parseStat(content string) (parsed stat, err error) {
	const first = 3
	fields := strings.Fields(content[strings.LastIndexByte(content, ')')+1:])
	for field, at := range map[int]*uint64{22: &parsed.began, 50: &parsed.environ, 51: &parsed.environEnd} {
		if len(fields) <= field-first {
			return stat{}, fmt.Errorf("%d fields of a process", len(fields)+first-1)
		}
		if *at, err = strconv.ParseUint(fields[field-first], 10, 64); err != nil {
			return stat{}, fmt.Errorf("field %d of a process: %w", field, err)
		}
	}
	return parsed, nil
}

// ServiceName returns the service.name that an environment, as /proc/PID/environ has it, gives to an OpenTelemetry SDK:
// OTEL_SERVICE_NAME, or else service.name among OTEL_RESOURCE_ATTRIBUTES. It returns "" if there is none.
// Source: OpenTelemetry specification, General SDK Configuration; Resource SDK, Specifying resource information via an
// environment variable.
func ServiceName(environment []byte) string {
	var attributes string
	for line := range bytes.SplitSeq(environment, []byte{0}) {
		key, value, _ := strings.Cut(string(line), "=")
		switch {
		case key == "OTEL_SERVICE_NAME" && value != "":
			return strings.ToValidUTF8(value, "\uFFFD")
		case key == "OTEL_RESOURCE_ATTRIBUTES":
			attributes = value
		}
	}
	for pair := range strings.SplitSeq(attributes, ",") {
		key, value, _ := strings.Cut(pair, "=")
		if strings.TrimSpace(key) != "service.name" {
			continue
		}
		if name, err := url.PathUnescape(strings.TrimSpace(value)); err == nil {
			return strings.ToValidUTF8(name, "\uFFFD")
		}
	}
	return ""
}
