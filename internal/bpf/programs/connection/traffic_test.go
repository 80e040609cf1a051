package connection_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/kernel"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// pair is a connection inside a namespace with both its ends.
type pair struct{ client, server *net.TCPConn }

// connect makes a pair over an address, which is without MPTCP.
func connect(t *testing.T, ns *bpftest.Namespace, address string) (p pair) {
	t.Helper()
	var err error
	ns.Do(func() {
		var config net.ListenConfig
		config.SetMultipathTCP(false)
		var listener net.Listener
		if listener, err = config.Listen(t.Context(), "tcp", address); err != nil {
			return
		}
		defer listener.Close()
		var client, server net.Conn
		if client, err = net.Dial("tcp", listener.Addr().String()); err != nil {
			return
		}
		server, err = listener.Accept()
		p = pair{client.(*net.TCPConn), server.(*net.TCPConn)}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.client.Close(); p.server.Close() })
	return p
}

// send has one end send n bytes that the other reads.
func send(t *testing.T, from, to *net.TCPConn, n int) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		_, err := from.Write(make([]byte, n))
		sent <- err
	}()
	if _, err := io.CopyN(io.Discard, to, int64(n)); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// monotonic is the clock of events.
func monotonic(t *testing.T) uint64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return uint64(now.Nano())
}

// end awaits the end of the stream.
func end(t *testing.T, of *net.TCPConn) {
	t.Helper()
	if n, err := io.Copy(io.Discard, of); err != nil || n != 0 {
		t.Errorf("%d more bytes, %v", n, err)
	}
}

// A connection says to the byte what it carried, and who ended it and how, whichever way that was.
func TestAConnectionSaysWhatItCarriedAndHowItEnded(t *testing.T) {
	ways := map[string]struct {
		do             func(*testing.T, pair)
		client, server string // by whom and how, at each end
	}{
		"client first": {func(t *testing.T, p pair) {
			p.client.Close()
			end(t, p.server)
			p.server.Close()
		}, "local fin", "remote fin"},
		"server first": {func(t *testing.T, p pair) {
			p.server.Close()
			end(t, p.client)
			p.client.Close()
		}, "remote fin", "local fin"},
		"half-closed": {func(t *testing.T, p pair) {
			p.client.CloseWrite()
			end(t, p.server)
			p.server.CloseWrite()
			end(t, p.client)
			p.server.Close()
			p.client.Close()
		}, "local fin", "remote fin"},
		"client resets": {func(t *testing.T, p pair) {
			p.client.SetLinger(0)
			p.client.Close()
		}, "local reset", "remote reset"},
		"server resets": {func(t *testing.T, p pair) {
			p.server.SetLinger(0)
			p.server.Close()
		}, "remote reset", "local reset"},
		"reset after a FIN": {func(t *testing.T, p pair) {
			p.client.CloseWrite()
			end(t, p.server)
			p.server.SetLinger(0)
			p.server.Close()
		}, "local reset", "remote reset"},
	}
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	for name, way := range ways {
		for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
			for _, bytes := range [][2]int{{0, 0}, {1, 0}, {0, 1}, {70_000, 3}, {5, 1_000_000}} {
				t.Run(fmt.Sprint(name, " ", address, " ", bytes), func(t *testing.T) {
					before := monotonic(t) // ports are used again
					p := connect(t, ns, address)
					local := map[connection.Role]string{
						connection.RoleClient: p.client.LocalAddr().String(), connection.RoleServer: p.server.LocalAddr().String()}
					send(t, p.client, p.server, bytes[0])
					send(t, p.server, p.client, bytes[1])
					way.do(t, p)
					for role, want := range map[connection.Role]struct {
						sent, received int
						ending         string
					}{
						connection.RoleClient: {bytes[0], bytes[1], way.client},
						connection.RoleServer: {bytes[1], bytes[0], way.server},
					} {
						e := bpftest.Await(t, recorder, "closed", func(e *connection.Event) bool {
							return is(ns, role, connection.OutcomeClosed)(e) && e.Local.String() == local[role] && e.Timestamp > before
						})
						if e.Traffic.Sent != uint64(want.sent) || e.Traffic.Received != uint64(want.received) {
							t.Errorf("%s: sent %d and received %d, want %d and %d", role, e.Traffic.Sent, e.Traffic.Received,
								want.sent, want.received)
						}
						if ending := e.Ending.By() + " " + e.Ending.String(); ending != want.ending {
							t.Errorf("%s: ended by %s, want %s", role, ending, want.ending)
						}
						if e.Traffic.SegmentsReceived == 0 || e.Traffic.RoundTrip <= 0 {
							t.Errorf("%s: %+v", role, e.Traffic)
						}
					}
				})
			}
		}
	}
}

// summed sums what the tallies of a namespace's commands measure.
func summed(recorder *bpftest.Recorder, command string) map[string]float64 {
	sums := make(map[string]float64)
	for _, tally := range bpftest.Find(recorder, func(e *connection.Tally) bool { return e.Command == command }) {
		for _, m := range tally.Measurements(nil) {
			name := m.Metric.Name
			for _, label := range m.Labels {
				if label.Key == telemetry.Direction || label.Key == telemetry.TCPRole {
					name += " " + label.Value
				}
			}
			if m.Distribution != nil {
				sums[name] += float64(m.Distribution.Count)
				continue
			}
			sums[name] += m.Value
		}
	}
	return sums
}

// talk connects to the address in args, sends as many bytes as it reads numbers, one after the other, and ends with its input.
func talk(args []string, stdin io.Reader, stdout io.Writer) error {
	conn, err := net.Dial("tcp", args[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintln(stdout, "connected")
	for {
		var n int
		if _, err := fmt.Fscan(stdin, &n); err != nil {
			return nil
		}
		if _, err := conn.Write(make([]byte, n)); err != nil {
			return err
		}
		fmt.Fprintln(stdout, "sent")
	}
}

// until waits for the sums of a command to be what is wanted.
func until(t *testing.T, recorder *bpftest.Recorder, command string, want map[string]float64) {
	t.Helper()
	patience := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		sums := summed(recorder, command)
		right := true
		for name, n := range want {
			right = right && sums[name] == n
		}
		if right {
			return
		}
		select {
		case <-tick.C:
		case <-patience:
			t.Fatalf("%s: %v, want %v", command, sums, want)
		}
	}
}

// What open connections carry is counted while they are open, and once. Neither a listener that is older than the program
// nor somebody who lists sockets, which gives each its cookie, changes that.
func TestOpenConnectionsAreNotSilent(t *testing.T) {
	bpftest.RequireFeature(t, kernel.OpenConnections)
	ns := bpftest.NewNamespace(t)
	ns.StartHelper(t, "kt-o-older", "sink", "127.0.0.1:0").Line(t)
	session := bpf.NewSession(nil)
	session.DrainEvery = 50 * time.Millisecond
	t.Cleanup(func() { session.Close() })
	recorder := bpftest.Start(t, connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session)))
	address := ns.StartHelper(t, "kt-o-server", "sink", "127.0.0.1:0").Line(t)
	talker := ns.StartHelper(t, "kt-o-client", "talk", address)
	talker.Line(t)
	active, io := "kerntap.tcp.active_connections client", "kerntap.tcp.io transmit"
	until(t, recorder, "kt-o-client", map[string]float64{active: 1, io: 0})
	total := 0.0
	for _, n := range []int{5, 100_000, 1} {
		talker.Send(t, fmt.Sprint(n))
		talker.Line(t)
		total += float64(n)
		ns.Run(t, "ss", "-tn")
		until(t, recorder, "kt-o-client", map[string]float64{active: 1, io: total})
		until(t, recorder, "kt-o-server", map[string]float64{"kerntap.tcp.active_connections server": 1, "kerntap.tcp.io receive": total})
	}
	talker.End(t)
	for command, want := range map[string]map[string]float64{
		"kt-o-client": {active: 0, io: total, "kerntap.tcp.connections client": 1},
		"kt-o-server": {"kerntap.tcp.active_connections server": 0, "kerntap.tcp.io receive": total},
	} {
		until(t, recorder, command, want)
	}
	ended := bpftest.Await(t, recorder, "closed", is(ns, connection.RoleClient, connection.OutcomeClosed))
	recorder.Stop(t)
	sums := summed(recorder, "kt-o-client")
	if segments := sums["kerntap.tcp.segments transmit"]; segments != float64(ended.Traffic.SegmentsSent) {
		t.Errorf("%g segments are counted, the connection sent %d", segments, ended.Traffic.SegmentsSent)
	}
	if sums["kerntap.tcp.rtt client"] < 2 {
		t.Errorf("the round-trip time was measured %g times", sums["kerntap.tcp.rtt client"])
	}
}

// A connection that is older than the program is active until it ends, and what it carried before is not counted.
func TestAnOlderConnectionCountsFromTheBegin(t *testing.T) {
	bpftest.RequireFeature(t, kernel.OpenConnections)
	ns := bpftest.NewNamespace(t)
	address := ns.StartHelper(t, "kt-b-server", "sink", "127.0.0.1:0").Line(t)
	talker := ns.StartHelper(t, "kt-b-client", "talk", address)
	talker.Line(t)
	talker.Send(t, "1000")
	talker.Line(t)
	session := bpf.NewSession(nil)
	session.DrainEvery = 50 * time.Millisecond
	t.Cleanup(func() { session.Close() })
	recorder := bpftest.Start(t, connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session)))
	until(t, recorder, "kt-b-client", map[string]float64{"kerntap.tcp.active_connections": 1})
	talker.Send(t, "7")
	talker.Line(t)
	until(t, recorder, "kt-b-client", map[string]float64{"kerntap.tcp.io transmit": 7})
	talker.End(t)
	until(t, recorder, "kt-b-client", map[string]float64{"kerntap.tcp.active_connections": 0, "kerntap.tcp.io transmit": 7})
	until(t, recorder, "kt-b-server", map[string]float64{"kerntap.tcp.active_connections": 0, "kerntap.tcp.io receive": 7})
	recorder.Stop(t)
	for name := range summed(recorder, "kt-b-client") {
		if strings.Contains(name, "connections ") || strings.Contains(name, "duration") {
			t.Errorf("%s is counted: nobody saw it begin", name)
		}
	}
}
