package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// place is a network namespace in which a kerntap watches that alone: what others do on this machine is no part of its
// counts. It is reached through a Unix socket, which knows no network namespaces.
type place struct {
	*bpftest.Namespace
	socket string
	binary string // of kerntap, where it is not this one
	names  string // the file that tells whom to ask for names, where it is not the host's
	// api is the address of its API for this process, whichever kerntap is there.
	api string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{Namespace: bpftest.NewNamespace(t), socket: filepath.Join(t.TempDir(), "api.sock")}
	p.api = forwardTo(t, p.socket)
	return p
}

// buildKerntap builds what users run: this binary may hold a race detector, which multiplies what memory it takes.
func buildKerntap(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "kerntap")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build kerntap: %v\n%s", err, said)
	}
	return binary
}

// isolated is a kerntap in a process of its own.
type isolated struct {
	process *os.Process
	ended   chan error
	said    *diagnostics
}

// start starts a kerntap that is stopped with the test.
func (p *place) start(t *testing.T, environ []string, args ...string) *isolated {
	t.Helper()
	k := &isolated{ended: make(chan error, 1), said: new(diagnostics)}
	args = append([]string{"run", "--scope", "netns", "--listen", "unix://" + p.socket}, args...)
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(append(os.Environ(), asKerntap), environ...)
	if p.binary != "" {
		cmd.Path, cmd.Env = p.binary, append(os.Environ(), environ...)
	}
	cmd.Stderr = k.said
	var err error
	if p.names != "" {
		err = askFor(cmd, p.names)
	}
	if err == nil {
		p.Do(func() { err = cmd.Start() })
	}
	if err != nil {
		t.Fatal(err)
	}
	k.process = cmd.Process
	go func() { k.ended <- cmd.Wait() }()
	t.Cleanup(func() { k.stop(t) })
	awaitReady(t, p.api)
	return k
}

// askFor has a command find another file where resolv.conf is, in mounts of its own.
func askFor(cmd *exec.Cmd, names string) error {
	path, err := filepath.EvalSymlinks(cmd.Path)
	if err != nil {
		return err
	}
	const mounted = `mount --bind "$0" /etc/resolv.conf && exec "$@"`
	cmd.Args = append([]string{"unshare", "--mount", "sh", "-c", mounted, names, path}, cmd.Args[1:]...)
	cmd.Path, err = exec.LookPath("unshare")
	cmd.Env = append(cmd.Env, "GODEBUG=netdns=go") // the C library may ask somebody else
	return err
}

// stop ends it as a service manager does. Stopping one that is stopped does nothing.
func (k *isolated) stop(t *testing.T) {
	t.Helper()
	if k.process == nil {
		return
	}
	if err := k.process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := <-k.ended; err != nil {
		t.Errorf("%v:\n%s", err, k.said)
	}
	k.process = nil
}

// forwardTo returns a TCP address whose connections go to a Unix socket.
func forwardTo(t *testing.T, socket string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { forward(conn, socket) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		http.DefaultClient.CloseIdleConnections()
		serving.Wait()
	})
	return listener.Addr().String()
}

func forward(conn net.Conn, socket string) {
	defer conn.Close()
	to, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer to.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(conn, to)
		conn.Close()
	})
	_, _ = io.Copy(to, conn)
	to.Close()
	back.Wait()
}
