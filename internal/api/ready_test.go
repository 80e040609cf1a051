package api

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
)

// inBackground serves on listener until the test ends, and fails the test if that fails.
func inBackground(t *testing.T, run func(context.Context, net.Listener) error, listener net.Listener) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestReadyOverEveryKindOfAddress(t *testing.T) {
	server := New(fakeOptions())
	socket := "unix://" + filepath.Join(t.TempDir(), "s")
	inBackground(t, server.Serve, mustListen(t, socket))
	tcp := mustListen(t, "127.0.0.1:0")
	inBackground(t, server.ServeProbe, tcp)
	any4 := mustListen(t, "0.0.0.0:0")
	inBackground(t, server.ServeProbe, any4)
	for _, address := range []string{socket, tcp.Addr().String(), any4.Addr().String()} {
		if err := Ready(t.Context(), address); err != nil {
			t.Errorf("ready %s: %v", address, err)
		}
	}
}

func TestReadySaysWhyNot(t *testing.T) {
	dir := t.TempDir()
	options := fakeOptions()
	options.Programs = func() []bpf.Status { return []bpf.Status{failedProgram("a", "load:\n\tR1 invalid\n")} }
	unready := mustListen(t, "unix://"+filepath.Join(dir, "unready"))
	inBackground(t, New(options).Serve, unready)
	stranger := mustListen(t, "unix://"+filepath.Join(dir, "stranger"))
	inBackground(t, func(ctx context.Context, listener net.Listener) error {
		return serve(ctx, listener, &http.Server{Handler: http.RedirectHandler("/elsewhere", http.StatusFound)})
	}, stranger)
	deadSocket(t, filepath.Join(dir, "dead"))
	for address, want := range map[string]string{
		"unix://" + dir + "/unready":  "not ready: no program is running: a: load: R1 invalid",
		"unix://" + dir + "/stranger": `answered "302 Found", which is not kerntap's answer`,
		"unix://" + dir + "/dead":     "not ready: cannot reach unix://" + dir + "/dead: connection refused",
		"unix://" + dir + "/none":     "/none: no such file or directory",
		"4319":                        "ask 4319: missing port in address: give host:port, such as 127.0.0.1:4319",
	} {
		err := Ready(t.Context(), address)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("ready %s: %v, want one line with %q", address, err, want)
		}
	}
}

func TestReadyDoesNotWaitForEver(t *testing.T) {
	// Nobody accepts: the kernel takes the connection, and no answer comes.
	silent := mustListen(t, "127.0.0.1:0")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := Ready(ctx, silent.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "did not answer within 2s") || ctx.Err() != nil {
		t.Errorf("ready on a silent address: %v", err)
	}
}
