package connection_test

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// crowd listens on args[0] ports until its stdin ends.
func crowd(args []string, stdin io.Reader, stdout io.Writer) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	files := uint64(n + 100)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: files, Max: files}); err != nil {
		return err
	}
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer listener.Close()
	}
	fmt.Fprintln(stdout, "listens")
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// Where there is no room to keep the owner of one more socket, its events are counted for nobody, and how many such sockets
// there were is told.
func TestSocketsWithoutRoomAreCountedForNobody(t *testing.T) {
	const calls = 50
	ns := bpftest.NewNamespace(t)
	c := startCounter(t, func(session *bpf.Session) { session.LockedBytes, session.ScopeNetNS = 3<<20, ns.Inode })
	listening := ns.StartHelper(t, "kt-sink", "sink", "127.0.0.1:0").Line(t)
	ns.StartHelper(t, "kt-crowd", "crowd", "9000").Line(t)
	full := c.program.Status().Stats.Unowned
	ns.StartHelper(t, "kt-late", "burst", listening, strconv.Itoa(calls), "fin").Line(t)
	c.settle()
	stats := c.stop(t)
	if full == 0 || stats.Unowned < full+2*calls { // each end
		t.Errorf("%d sockets had no owner before the calls and %d after them, want %d more at least", full, stats.Unowned, 2*calls)
	}
	n := c.counts
	// Which end an unknown one was that has ended went with its owner; and what the kernel skips of it is not made up for.
	for what, sums := range map[string][2]uint64{
		"client opened": {n["kt-late client opened"] + n[" client opened"], calls},
		"server opened": {n["kt-sink server opened"] + n[" server opened"], calls},
		"closed":        {n["kt-late client closed"] + n["kt-sink server closed"] + n["  closed"], 2 * calls},
	} {
		if got, want := sums[0], sums[1]; got > want || got+stats.Missed < want {
			t.Errorf("%s: %d, want %d of which %d may be missed", what, got, want, stats.Missed)
		}
	}
	if n[" client opened"] == 0 || n[" server opened"] == 0 || n["  closed"] == 0 { // others may have made a little room
		t.Errorf("nothing is nobody's: %v", n)
	}
	t.Logf("%d sockets without an owner; %v", stats.Unowned, c.counts)
}
