package packet_drop_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/packet_drop"
)

// spin keeps a CPU busy, and ends when stdin does.
func spin(args []string, stdin io.Reader, stdout io.Writer) error {
	cpu, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if err := bpftest.Pin(cpu); err != nil {
		return err
	}
	var ended atomic.Bool
	go func() {
		bufio.NewReader(stdin).ReadString('\n')
		ended.Store(true)
	}()
	fmt.Fprintln(stdout, "spinning")
	for !ended.Load() {
		continue
	}
	return nil
}

// A CPU drops what another one sends, while it runs a process that has nothing to do with it: that one is never named.
func TestABystanderIsNeverNamed(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	ns.Firewall(t, firewall)
	ns.Steer(t, "1") // what arrives is handled on the first CPU
	recorder := startBesideConnections(t)
	bystander := ns.StartHelper(t, "kt-bystander", "spin", "0")
	const n = 500
	datagrams(t, ns, "127.0.0.1:40009", n, []byte("whose?")) // dropped in softirq
	datagrams(t, ns, "127.0.0.1:40012", n, []byte("whose?")) // no socket, likewise
	ours := func(e *packet_drop.Event) bool {
		return e.NetNS == ns.Inode && (e.Destination.Port() == 40009 || e.Destination.Port() == 40012)
	}
	bpftest.AwaitN(recorder, 2*n, 20*time.Second, ours)
	recorder.Stop(t)
	found := bpftest.Find(recorder, ours)
	if len(found) < n { // that all are told is for other tests to say
		t.Errorf("%d drops, want about %d", len(found), 2*n)
	}
	for _, e := range found {
		if e.PID == bystander.PID || e.Command == "kt-bystander" {
			t.Fatalf("a bystander is named: %s", e.Body())
		}
		if e.PID != 0 && e.PID != uint32(os.Getpid()) {
			t.Fatalf("%s[%d] is named, which sent nothing: %s", e.Command, e.PID, e.Body())
		}
	}
}
