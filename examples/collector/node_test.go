package collector

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

const (
	commands = 20
	rounds   = 6 // in each of which every command has one connect answered, and one refused
	payload  = 1000
	// interval is in seconds, between two exports of metrics: longer than a collector's batch takes, so that each is one.
	interval  = 2
	databases = "127.0.0.1:5432"
	nobody    = "127.0.0.1:1"
)

func database(_ []string, in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", databases)
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				conn.Close()
			}()
		}
	}()
	fmt.Fprintln(out, "listening")
	_, err = io.Copy(io.Discard, in)
	return err
}

// service connects for each line that it reads, and says so.
func service(_ []string, in io.Reader, out io.Writer) error {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if _, err := net.Dial("tcp", nobody); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("not refused: %v", err)
		}
		if err := echo(); err != nil {
			return err
		}
		fmt.Fprintln(out, "done")
	}
	return nil
}

func echo() error {
	conn, err := net.Dial("tcp", databases)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(make([]byte, payload)); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, payload))
	return err
}

// node is a kerntap beside commands that connect, in a network namespace that is theirs alone.
type node struct {
	*process
	services []*bpftest.Process
	sent     *meter
}

// startNode starts it to send to the collector of the node.
func startNode(t *testing.T, compression string, to collector) node {
	t.Helper()
	ns := bpftest.NewNamespace(t)
	binary := filepath.Join(t.TempDir(), "kerntap")
	output(t, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./cmd/kerntap")
	n := node{sent: newMeter()}
	// By a Unix socket: what is counted has no connections of telemetry in it.
	otlp, api := filepath.Join(t.TempDir(), "otlp"), "unix://"+filepath.Join(t.TempDir(), "api")
	n.sent.pass(t, listen(t, "unix", otlp), to.grpc)
	n.process = start(t, ns.Do, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=unix://" + otlp, "OTEL_EXPORTER_OTLP_COMPRESSION=" + compression},
		binary, "run", "--scope", "netns", "--listen", api, "--metric-interval", fmt.Sprintf("%ds", interval))
	bpftest.Until(t, "kerntap watches", func() bool {
		ready := start(t, here, nil, binary, "ready", "--listen", api)
		err := ready.cmd.Wait()
		ready.stopped = true
		return err == nil
	})
	ns.StartHelper(t, "orders-db", "database").Line(t)
	for i := range commands {
		n.services = append(n.services, ns.StartHelper(t, fmt.Sprintf("orders-%02d", i), "service"))
	}
	return n
}

// work has every command connect, a little more than a second after the last time: what may be told of a second is bounded.
func (n node) work(t *testing.T) {
	t.Helper()
	pace := time.NewTicker(1200 * time.Millisecond)
	defer pace.Stop()
	for range rounds {
		for _, s := range n.services {
			s.Send(t, "go")
		}
		for _, s := range n.services {
			s.Line(t)
		}
		<-pace.C
	}
}

// exportsAll waits until the metrics of all that was done have been exported a few times.
func (n node) exportsAll(t *testing.T) {
	t.Helper()
	before := n.sent.sum("metrics").requests
	bpftest.Until(t, "metrics of all that was done are exported a few times", func() bool { return n.sent.sum("metrics").requests > before+4 })
}
