package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// bpftestPatience bounds what a child process may take.
const bpftestPatience = 60 * time.Second

// running is a kerntap that runs in this process.
type running struct {
	t      *testing.T
	lines  chan string
	cancel context.CancelFunc
	exited chan int
}

// startKerntap runs kerntap until stop, and hands out its standard output line by line.
func startKerntap(t *testing.T, args ...string) *running {
	t.Helper()
	return startKerntapIn(t, environment{stderr: t.Output()}, args...)
}

// startKerntapIn is startKerntap with an environment and a standard error of its own.
func startKerntapIn(t *testing.T, env environment, args ...string) *running {
	t.Helper()
	bpftest.Require(t)
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	r := &running{t: t, lines: make(chan string, 1024), cancel: cancel, exited: make(chan int, 1)}
	go func() {
		defer close(r.lines)
		lines := bufio.NewScanner(read)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			r.lines <- lines.Text()
		}
	}()
	env.stdout = write
	env.environ = append(slices.Clip(env.environ), "GOMEMLIMIT=off") // the memory of a test is not kerntap's alone
	go func() {
		code := run(ctx, env, append([]string{"run"}, args...))
		write.Close()
		r.exited <- code
	}()
	t.Cleanup(cancel)
	return r
}

// await returns the first line that matches.
func (r *running) await(what string, match func(string) bool) string {
	r.t.Helper()
	deadline := time.After(bpftestPatience)
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				r.t.Fatalf("kerntap ended before it wrote %s", what)
			}
			if match(line) {
				return line
			}
		case <-deadline:
			r.t.Fatalf("kerntap did not write %s", what)
		}
	}
}

// stop ends kerntap as SIGINT does and returns the rest of its output.
func (r *running) stop() string {
	r.t.Helper()
	r.cancel()
	var rest strings.Builder
	for line := range r.lines {
		rest.WriteString(line + "\n")
	}
	if code := <-r.exited; code != 0 {
		r.t.Errorf("exit code %d", code)
	}
	return rest.String()
}

// awaitReady asks until kerntap is ready: in this mode standard output does not say so.
func awaitReady(t *testing.T, address string) {
	t.Helper()
	deadline := time.After(bpftestPatience)
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		if code, _, _ := invoke(t, "ready", "--listen", address); code == 0 {
			return
		}
		select {
		case <-retry.C:
		case <-deadline:
			t.Fatal("kerntap did not become ready")
		}
	}
}

func call(t *testing.T, method, url, body string, answer any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		t.Fatal(err)
	}
}
