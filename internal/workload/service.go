package workload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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
	// Executable is the name of the file that it runs: another one has another environment.
	Executable string
}

const (
	// tick is the unit in which /proc tells times: USER_HZ is 100 on the architectures that kerntap runs on.
	tick = time.Second / 100
	// maxEnvironment is the longest environment that is read: a process may say that gigabytes are its own.
	maxEnvironment = 256 << 10
	// maxName is the longest name that is told.
	maxName = 255
)

// errNotTheSame is why an environment is not a process's: the process has ended, or runs something else.
var errNotTheSame = errors.New("another process has the pid")

// readServiceName returns the service name that a process has in its environment, "" if it has none. It reads from the file
// system proc, and where a file there is another user's from the process's memory, which may take any time: a process
// decides what its memory is.
func readServiceName(proc fs.FS, process Process) (string, error) {
	before, err := readStat(proc, process.PID)
	if err != nil {
		return "", err
	}
	if before.began != uint64(process.Began/tick) {
		return "", errNotTheSame
	}
	environment, err := readSome(proc, fmt.Sprint(process.PID, "/environ"))
	if errors.Is(err, fs.ErrPermission) { // CAP_SYS_PTRACE shows the memory, but not the file
		environment, err = memory(int(process.PID), before.environ, before.environEnd)
	}
	if err != nil {
		return "", err
	}
	if after, err := readStat(proc, process.PID); err != nil || after != before {
		return "", errors.Join(errNotTheSame, err)
	}
	return ServiceName(environment), nil
}

func readSome(proc fs.FS, name string) ([]byte, error) {
	file, err := proc.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxEnvironment+1))
	if err == nil && len(content) > maxEnvironment {
		err = fmt.Errorf("%s is longer than %d bytes", name, maxEnvironment)
	}
	return content, err
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

func readStat(proc fs.FS, pid uint32) (stat, error) {
	content, err := readSome(proc, fmt.Sprint(pid, "/stat"))
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
// OTEL_SERVICE_NAME, or else service.name among OTEL_RESOURCE_ATTRIBUTES. It returns "" if there is none, or a very long one.
// Source: OpenTelemetry specification, General SDK Configuration; Resource SDK, Specifying resource information via an
// environment variable.
func ServiceName(environment []byte) string {
	var attributes string
	for line := range bytes.SplitSeq(environment, []byte{0}) {
		key, value, _ := strings.Cut(string(line), "=")
		switch {
		case key == "OTEL_SERVICE_NAME" && value != "":
			return presentable(value)
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
			return presentable(name)
		}
	}
	return ""
}

func presentable(name string) string {
	if len(name) > maxName {
		return ""
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}
