package connection_test

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/filter"
	"github.com/kerntap/kerntap/internal/kernel"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// busy listens on 127.0.0.1 with a queue of two and accepts nothing. It says where.
func busy(_ []string, stdin io.Reader, stdout io.Writer) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := unix.Listen(fd, 1); err != nil {
		return err
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "127.0.0.1:%d\n", at.(*unix.SockaddrInet4).Port)
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// knock tries so many connects to the address at once and gives those up that wait after a while.
func knock(t *testing.T, ns *bpftest.Namespace, address string, times int) {
	t.Helper()
	to := netip.MustParseAddrPort(address)
	ns.Do(func() {
		for range times {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer unix.Close(fd)
			err = unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
			if !errors.Is(err, unix.EINPROGRESS) {
				t.Error(err)
			}
		}
		<-time.After(1500 * time.Millisecond) // long enough for a SYN to be sent again
	})
}

// refusals sums what the listeners of each command refused.
func refusals(recorder *bpftest.Recorder) map[string]int {
	sums := make(map[string]int)
	for _, tally := range bpftest.Find(recorder, func(*connection.Tally) bool { return true }) {
		for _, m := range tally.Measurements(nil) {
			if m.Metric == &telemetry.TCPListenDrops {
				sums[tally.Command] += int(m.Value)
			}
		}
	}
	return sums
}

// A SYN that finds the queue of a listener full is used up without a word: no packet is dropped and no state changes. The
// listener is told of it all the same, and nothing of what it refused before.
func TestWhatAListenerRefusesIsCounted(t *testing.T) {
	bpftest.RequireFeature(t, kernel.OpenConnections)
	ns := bpftest.NewNamespace(t)
	truth := func() int { return ns.Counter(t, "netstat", "TcpExt", "ListenDrops") }
	older := ns.StartHelper(t, "kt-busy-old", "busy").Line(t)
	knock(t, ns, older, 5)
	before := truth()

	session := bpf.NewSession(nil)
	session.DrainEvery = 50 * time.Millisecond
	t.Cleanup(func() { session.Close() })
	recorder := bpftest.Start(t, connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session)))
	knock(t, ns, older, 5)
	between := truth()
	addresses := []string{older, ns.StartHelper(t, "kt-busy", "busy").Line(t)}
	knock(t, ns, addresses[1], 20)
	after := truth()
	if before == 0 || between == before || after < between+17 {
		t.Fatalf("the kernel counts %d packets that listeners refused, then %d, then %d", before, between, after)
	}

	want := map[string]int{"kt-busy-old": between - before, "kt-busy": after - between}
	await(t, "the refusals", func() bool {
		found := refusals(recorder)
		return found["kt-busy"] >= want["kt-busy"] && found["kt-busy-old"] >= want["kt-busy-old"]
	})
	recorder.Stop(t)
	found := refusals(recorder)
	records := make(map[string]int)
	for _, e := range bpftest.Find(recorder, is(ns, connection.RoleServer, connection.OutcomeListenDropped)) {
		records[e.Command] += int(e.Dropped)
		if e.PID == 0 || !slices.Contains(addresses, e.Local.String()) || e.Queue != (connection.Queue{Waiting: 2, Limit: 1}) {
			t.Errorf("%s[%d] at %s, queue %+v", e.Command, e.PID, e.Local, e.Queue)
		}
	}
	for command, n := range want {
		if found[command] != n || records[command] != n {
			t.Errorf("%s refused %d by its tallies and %d by its records, want %d", command, found[command], records[command], n)
		}
	}
}

// A listener that ends is told what it refused since the walk last met it, however short ago that was.
func TestWhatAListenerRefusedBeforeItEndedIsCounted(t *testing.T) {
	bpftest.RequireFeature(t, kernel.OpenConnections)
	ns := bpftest.NewNamespace(t)
	session := bpf.NewSession(nil)
	session.DrainEvery = time.Hour // nothing walks before the end
	t.Cleanup(func() { session.Close() })
	recorder := bpftest.Start(t, connection.NewProgram(bpf.NewInMemoryStorage(), bpf.WithSession(session)))
	busy := ns.StartHelper(t, "kt-busy-ends", "busy")
	knock(t, ns, busy.Line(t), 10)
	want := ns.Counter(t, "netstat", "TcpExt", "ListenDrops")
	busy.End(t)
	recorder.Stop(t)
	if n := refusals(recorder)["kt-busy-ends"]; n != want || want == 0 {
		t.Errorf("%d refusals, want %d", n, want)
	}
	e := bpftest.Await(t, recorder, "the listener's record", is(ns, connection.RoleServer, connection.OutcomeListenDropped))
	if int(e.Dropped) != want || e.Queue != (connection.Queue{Waiting: 2, Limit: 1}) || e.Command != "kt-busy-ends" {
		t.Errorf("%s dropped %d, want %d; its queue: %+v", e.Command, e.Dropped, want, e.Queue)
	}
}

// What a listener refused while nobody wanted to hear of it is counted as filtered, and not again once somebody does.
func TestWhatAListenerRefusedUnwantedIsNotCountedLater(t *testing.T) {
	bpftest.RequireFeature(t, kernel.OpenConnections)
	ns := bpftest.NewNamespace(t)
	truth := func() int { return ns.Counter(t, "netstat", "TcpExt", "ListenDrops") }
	f := startFiltered(t, ns.Inode, rules(t, "!kt-busy-un", "", ""))
	listening := ns.StartHelper(t, "kt-busy-un", "busy").Line(t)
	knock(t, ns, listening, 10)
	unwanted := truth()
	// What is wanted of another listener has been met by a walk: so has this one.
	knock(t, ns, ns.StartHelper(t, "kt-busy", "busy").Line(t), 5)
	await(t, "a walk", func() bool { return refusals(f.Recorder)["kt-busy"] > 0 })
	f.follow(t, filter.Rules{})
	before := truth()
	knock(t, ns, listening, 5)
	want := truth() - before
	await(t, "the refusals", func() bool { return refusals(f.Recorder)["kt-busy-un"] >= want })
	f.Stop(t)
	if n := refusals(f.Recorder)["kt-busy-un"]; n != want || unwanted == 0 {
		t.Errorf("%d refusals, want %d after %d that nobody wanted", n, want, unwanted)
	}
	f.addsUp(t)
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 400 {
		if done() {
			return
		}
		<-tick.C
	}
	t.Errorf("in vain waited for %s", what)
}
