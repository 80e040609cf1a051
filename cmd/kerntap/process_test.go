package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs"
)

// A real process, a real signal: it ends within a bounded time, with everything flushed and the exit code 0.
func TestASignalEndsKerntap(t *testing.T) {
	bpftest.Require(t)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		var stdout io.Reader
		code, _, stderr := child(t, func(cmd *exec.Cmd) {
			read, write := io.Pipe()
			stdout, cmd.Stdout = read, write
			go func() {
				lines := bufio.NewScanner(stdout)
				for lines.Scan() {
					if strings.Contains(lines.Text(), "curl 127.0.0.1:1") {
						cmd.Process.Signal(signal)
					}
				}
			}()
			t.Cleanup(func() { write.Close() })
		}, "run", "--listen", "off", "--console", "text")
		if code != 0 {
			t.Errorf("%s: exit code %d, %s", signal, code, stderr)
		}
	}
}

func TestCheckSaysWhatRuns(t *testing.T) {
	bpftest.Require(t)
	code, stdout, stderr := invoke(t, "check", "--json")
	if code != 0 {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	var r report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if !r.Runs || len(r.Programs) != len(programs.All()) {
		t.Errorf("report is %+v", r)
	}
	for _, program := range r.Programs {
		if !program.Runs || len(program.Hooks) == 0 || program.MapBytes == 0 {
			t.Errorf("%s: %+v", program.Name, program)
		}
	}
	code, stdout, _ = invoke(t, "check", "--programs", "tcp_trouble")
	if code != 0 || !strings.Contains(stdout, "✓ tp_btf/tcp_retransmit_skb") || strings.Contains(stdout, "packet_drop") {
		t.Errorf("exit code %d:\n%s", code, stdout)
	}
}

// As under `kerntap run | head -n 1`: one clear line, and nothing left behind.
func TestAReaderThatGoesAwayEndsKerntap(t *testing.T) {
	bpftest.Require(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	defer write.Close()
	code, _, stderr := child(t, func(cmd *exec.Cmd) { cmd.Stdout = write },
		"run", "--listen", "off", "--console", "text", "--log-level", "error")
	if code != exitFailed || stderr != "kerntap: standard output was closed by its reader\n" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}
