package connection_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
)

// happened is what rows and records of connections are told apart by here.
type happened struct {
	command string
	outcome connection.Outcome
	role    connection.Role
	ipv6    bool
	errno   syscall.Errno
}

// What happens to connections in turn, on one CPU and on others, is counted as what each of it is recorded as.
func TestWhatTakesTurnsIsToldApart(t *testing.T) {
	const attempts = 5
	for range attempts {
		missed := takeTurns(t)
		if missed == 0 {
			return
		}
		t.Logf("%d runs were missed", missed) // what is made up for has no record
	}
	t.Errorf("in none of %d attempts the kernel ran the program each time", attempts)
}

func takeTurns(t *testing.T) (missed uint64) {
	t.Helper()
	const turns = 600
	ns := bpftest.NewNamespace(t)
	ns.Firewall(t, `add table inet t; add chain inet t out { type filter hook output priority 0; };
		add rule inet t out tcp dport 7 reject with icmpx host-unreachable`)
	session := bpf.NewSession(nil)
	session.ScopeNetNS = ns.Inode
	t.Cleanup(func() { session.Close() })
	program := connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session))
	recorder := bpftest.Start(t, program)
	four := ns.StartHelper(t, "kt-sink-four", "sink", "127.0.0.1:0").Line(t)
	six := ns.StartHelper(t, "kt-sink-six", "sink", "[::1]:0").Line(t)
	client := ns.StartHelper(t, "kt-turns", "inTurns", strconv.Itoa(turns), four, six, "127.0.0.1:1", "[::1]:1", "127.0.0.1:7", "[::1]:7")
	var established int
	if _, err := fmt.Sscan(client.Line(t), &established); err != nil {
		t.Fatal(err)
	}
	client.End(t)
	bpftest.AwaitN(recorder, 2*established, patience, func(e *connection.Event) bool { return e.Outcome == connection.OutcomeClosed })
	recorder.Stop(t)
	stats := program.Status().Stats
	if stats.Missed > 0 {
		return stats.Missed
	}
	counted, recorded := make(map[happened]uint64), make(map[happened]uint64)
	for _, event := range recorder.Events() {
		switch e := event.(type) {
		case *connection.Tally:
			if e.Outcome != 0 { // else it is what open ones carried
				counted[happened{e.Command, e.Outcome, e.Role, e.IPv6, e.Errno}] += e.N
			}
		case *connection.Event:
			recorded[happened{e.Command, e.Outcome, e.Role, e.Peer.Addr().Is6(), e.Errno}]++
		}
	}
	if stats.Lost+stats.Dropped > 0 {
		t.Errorf("not everything was recorded: %+v", stats)
	}
	for of := range counted { // one that is reset before it is accepted is counted when it ends, and not recorded
		if of.role == connection.RoleServer && of.outcome == connection.OutcomeOpened && counted[of] > recorded[of] {
			recorded[of] = counted[of]
		}
	}
	if !maps.Equal(counted, recorded) {
		t.Errorf("counted %v, recorded %v", counted, recorded)
	}
	var attempts uint64
	for of, n := range counted {
		if of.role == connection.RoleClient && of.outcome != connection.OutcomeClosed {
			attempts += n
		}
	}
	if attempts != turns {
		t.Errorf("%d attempts, want %d", attempts, turns)
	}
	return 0
}

// inTurns connects args[0] times to any of the arguments behind it but now and then to the last two, which takes a second,
// from the first CPU, under one of two names, and ends in one of two ways what was established.
func inTurns(args []string, _ io.Reader, stdout io.Writer) error {
	if err := bpftest.Pin(0); err != nil {
		return err
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	quick, slow := args[1:len(args)-2], args[len(args)-2:]
	established := 0
	for i := range n {
		address := quick[rand.IntN(len(quick))]
		if i%200 == 100 {
			address = slow[rand.IntN(len(slow))]
		}
		name := fmt.Sprint("kt-turns-", rand.IntN(2))
		if err := os.WriteFile("/proc/self/comm", []byte(name), 0); err != nil {
			return err
		}
		conn, err := net.Dial("tcp", address)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH):
			continue
		case err != nil:
			return err
		}
		established++
		if rand.IntN(2) == 0 {
			conn.(*net.TCPConn).SetLinger(0)
		}
		if err := conn.Close(); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(stdout, established)
	return err
}
