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
	if full == 0 || stats.Unowned < full+calls {
		t.Errorf("%d sockets had no owner before the calls and %d after them, want %d more at least", full, stats.Unowned, calls)
	}
	for what, want := range map[string]uint64{
		" client opened": calls, " server opened": calls, "  closed": 2 * calls, // which end it was went with the owner
		"kt-late client opened": 0, "kt-sink server opened": 0,
	} {
		if n := c.counts[what]; n != want {
			t.Errorf("%q: %d, want %d", what, n, want)
		}
	}
	t.Logf("%d sockets without an owner; %v", stats.Unowned, c.counts)
}
