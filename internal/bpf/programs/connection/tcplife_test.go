package connection_test

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
)

// life is a line of tcplife (libbpf-tools): a client's end of a connection. It rounds to kilobytes.
type life struct {
	pid             uint32
	command         string
	local, peer     string
	sentKB, gotKB   float64
	lastedMillisecs float64
}

// startTcplife starts tcplife and returns, once it watches, what reads the lines of a command until there are so many, by local
// port.
func startTcplife(t *testing.T, command string) (read func(n int) map[uint16]life) {
	t.Helper()
	if _, err := exec.LookPath("tcplife"); err != nil {
		t.Skip("no tcplife, which Debian's libbpf-tools has: ", err)
	}
	// It looks for its tracepoint in a file system that is not mounted everywhere.
	cmd := exec.Command("unshare", "--mount", "sh", "-c", "mount -t tracefs none /sys/kernel/tracing; exec stdbuf -oL tcplife -w")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "PID") { // it is attached when it says so
		cmd.Process.Kill()
		cmd.Wait() // for its last words
		t.Skipf("tcplife does not run on this kernel: %q %s", lines.Text(), &complaints)
	}
	return func(n int) map[uint16]life {
		impatient := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer impatient.Stop()
		seen := make(map[uint16]life)
		for len(seen) < n && lines.Scan() {
			var l life
			var localAddress, peerAddress string
			var localPort, peerPort uint16
			if _, err := fmt.Sscan(lines.Text(), &l.pid, &l.command, &localAddress, &localPort, &peerAddress, &peerPort,
				&l.sentKB, &l.gotKB, &l.lastedMillisecs); err != nil || l.command != command {
				continue
			}
			l.local, l.peer = fmt.Sprintf("%s:%d", localAddress, localPort), fmt.Sprintf("%s:%d", peerAddress, peerPort)
			seen[localPort] = l
		}
		return seen
	}
}

// ask connects to the address in args and, for each of the sizes there, sends so many bytes, reads as many back and
// closes.
func ask(args []string, _ io.Reader, stdout io.Writer) error {
	for _, size := range args[1:] {
		var n int64
		fmt.Sscan(size, &n)
		conn, err := net.Dial("tcp", args[0])
		if err != nil {
			return err
		}
		sent := make(chan error, 1)
		go func() {
			_, err := io.CopyN(conn, zeros{}, n)
			sent <- err
		}()
		if _, err := io.CopyN(io.Discard, conn, n); err != nil {
			return err
		}
		if err := <-sent; err != nil {
			return err
		}
		time.Sleep(time.Duration(n%7) * time.Millisecond)
		conn.Close()
	}
	fmt.Fprintln(stdout, "done")
	return nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// echo listens on the address in args, says which one it got, and sends back what comes.
func echo(args []string, stdin io.Reader, stdout io.Writer) error {
	return acceptEach(args[0], stdin, stdout, func(conn net.Conn) {
		go func() {
			io.Copy(conn, conn)
			conn.Close()
		}()
	})
}

// What tcplife gets right, the client's end of each connection with its process, addresses, bytes and duration, is what
// kerntap says.
func TestClientsAreWhatTcplifeSees(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	read := startTcplife(t, "kt-asking")
	recorder := start(t)
	var sizes []string
	for range 10 {
		sizes = append(sizes, "0", "1", "1023", "40000", "300000", "5000001")
	}
	address := ns.StartHelper(t, "kt-echo", "echo", "127.0.0.1:0").Line(t)
	client := ns.StartHelper(t, "kt-asking", "ask", append([]string{address}, sizes...)...)
	client.Line(t)
	closed := bpftest.AwaitN(recorder, len(sizes), patience, is(ns, connection.RoleClient, connection.OutcomeClosed))
	theirs := read(len(sizes))
	if len(closed) != len(sizes) || len(theirs) != len(sizes) {
		t.Errorf("%d connections, tcplife saw %d, want %d", len(closed), len(theirs), len(sizes))
	}
	for _, ours := range closed {
		l := theirs[ours.Local.Port()]
		if ours.PID != l.pid || ours.Command != l.command || ours.Local.String() != l.local || ours.Peer.String() != l.peer {
			t.Errorf("%s[%d] from %s to %s, tcplife: %+v", ours.Command, ours.PID, ours.Local, ours.Peer, l)
		}
		if !isRounded(ours.Traffic.Sent, l.sentKB) || !isRounded(ours.Traffic.Received, l.gotKB) {
			t.Errorf("%d bytes sent and %d received, tcplife: %+v", ours.Traffic.Sent, ours.Traffic.Received, l)
		}
		if off := ours.Duration.Seconds()*1000 - l.lastedMillisecs; math.Abs(off) > 1 {
			t.Errorf("it lasted %s, tcplife: %+v", ours.Duration, l)
		}
	}
}

// isRounded tells whether kilobytes are those of bytes, to which tcplife counts the SYN and the FIN.
func isRounded(bytes uint64, kilobytes float64) bool {
	return math.Abs(kilobytes*1024-float64(bytes)) <= 512+2
}
