package connection_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/kernel"
)

// instantWays are the ways in which this kernel shows connects that end at once, none at all where it refuses hooks on functions
// and tracefs is not mounted. On emulated machines system calls are one only where kerntap uses them: an emulated Linux 7.2
// panicked once (trace_syscall_exit) while tests attached to them over and over, for a reason that is not known.
func instantWays(t *testing.T) map[string]func(*testing.T) *bpftest.Recorder {
	t.Helper()
	bpftest.Require(t)
	types, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	ways := make(map[string]func(*testing.T) *bpftest.Recorder)
	if kernel.InstantConnects.Lost(types) == nil {
		ways["by functions"] = start
	}
	if kernel.SyscallTracepoint("connect") == nil && (len(ways) == 0 || !testing.Short()) {
		ways["by system calls"] = startBySyscalls
	}
	return ways
}

// someInstantWays is the same where there is one.
func someInstantWays(t *testing.T) map[string]func(*testing.T) *bpftest.Recorder {
	t.Helper()
	ways := instantWays(t)
	if len(ways) == 0 {
		t.Skipf("this kernel shows no connects that end at once: %v", kernel.SyscallTracepoint("connect"))
	}
	return ways
}

// A connect that fails before anything is sent is one failure, with its peer and its reason.
func TestAConnectWithoutARouteFailsOnce(t *testing.T) {
	for way, begin := range someInstantWays(t) {
		for _, address := range []string{"192.0.2.1:80", "[2001:db8::1]:80"} {
			t.Run(way+" "+address, func(t *testing.T) {
				ns := bpftest.NewNamespace(t)
				recorder := begin(t)
				caller := ns.StartHelper(t, "kt-no-route", "client")
				const calls = 3
				for range calls {
					caller.Send(t, address)
					if answer := caller.Line(t); !strings.Contains(answer, syscall.ENETUNREACH.Error()) {
						t.Fatalf("the process was told %q", answer)
					}
				}
				bpftest.Await(t, recorder, "failed", is(ns, connection.RoleClient, connection.OutcomeFailed))
				recorder.Stop(t)
				failed := bpftest.Find(recorder, is(ns, connection.RoleClient, connection.OutcomeFailed))
				if len(failed) != calls {
					t.Errorf("%d failures of %d calls", len(failed), calls)
				}
				for _, e := range failed {
					if e.PID != caller.PID || e.Errno != syscall.ENETUNREACH || e.Peer.String() != address || e.UDP {
						t.Errorf("[%d] could not connect to %s: %v", e.PID, e.Peer, e.Errno)
					}
				}
			})
		}
	}
}

// callUDP connects UDP sockets to the addresses in args and says what came of each: an error, or its own address.
func callUDP(args []string, _ io.Reader, stdout io.Writer) error {
	for _, address := range args {
		conn, err := net.Dial("udp", address)
		if err != nil {
			fmt.Fprintln(stdout, err)
			continue
		}
		fmt.Fprintln(stdout, conn.LocalAddr())
		conn.Close()
	}
	return nil
}

func TestUDPConnectsAreOpenedOrFailed(t *testing.T) {
	for way, begin := range someInstantWays(t) {
		t.Run(way, func(t *testing.T) {
			ns := bpftest.NewNamespace(t)
			recorder := begin(t)
			caller := ns.StartHelper(t, "kt-udp", "callUDP", "127.0.0.1:53", "[::1]:53", "192.0.2.1:53")
			want := map[string]syscall.Errno{"127.0.0.1:53": 0, "[::1]:53": 0, "192.0.2.1:53": syscall.ENETUNREACH}
			local := make(map[string]string)
			for _, address := range []string{"127.0.0.1:53", "[::1]:53", "192.0.2.1:53"} {
				local[address] = caller.Line(t)
			}
			for address, errno := range want {
				e := bpftest.Await(t, recorder, address, func(e *connection.Event) bool {
					return e.NetNS == ns.Inode && e.UDP && e.Peer.String() == address
				})
				if e.PID != caller.PID || e.Errno != errno || (e.Outcome == connection.OutcomeFailed) != (errno != 0) {
					t.Errorf("%s: [%d] %s, %v", address, e.PID, e.Outcome, e.Errno)
				}
				if errno == 0 && e.Local.String() != local[address] {
					t.Errorf("%s: from %s, want %s", address, e.Local, local[address])
				}
			}
			recorder.Stop(t)
			if all := bpftest.Find(recorder, func(e *connection.Event) bool { return e.NetNS == ns.Inode }); len(all) != len(want) {
				t.Errorf("%d events of %d connects", len(all), len(want))
			}
		})
	}
}

// handOver listens, hands the listener to a copy of itself that accepts, and says the address and who that is.
func handOver(_ []string, stdin io.Reader, stdout io.Writer) error {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	heir := exec.Command("/proc/self/exe")
	heir.Env = append(os.Environ(), bpftest.AsHelper("acceptOne"))
	heir.ExtraFiles = []*os.File{file}
	if err := heir.Start(); err != nil {
		return err
	}
	defer heir.Wait()
	defer heir.Process.Kill()
	fmt.Fprintln(stdout, listener.Addr(), heir.Process.Pid)
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// acceptOne accepts from the listener that it was given, until it is killed.
func acceptOne([]string, io.Reader, io.Writer) error {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		conn.Close()
	}
}

// A connection belongs to the process that accepts it, whoever listened.
func TestAConnectionIsItsAcceptors(t *testing.T) {
	bpftest.RequireFeature(t, kernel.Acceptors)
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	listener := ns.StartHelper(t, "kt-listener", "handOver")
	var address string
	var acceptor uint32
	fmt.Sscan(listener.Line(t), &address, &acceptor)
	ns.StartHelper(t, "kt-caller", "burst", address, "1", "fin").Line(t)
	for _, outcome := range []connection.Outcome{connection.OutcomeOpened, connection.OutcomeClosed} {
		e := bpftest.Await(t, recorder, outcome.String(), is(ns, connection.RoleServer, outcome))
		if e.PID != acceptor || e.Attribution != connection.ByAccept {
			t.Errorf("%s is %d's, want the acceptor's, %d; the listener is %d", outcome, e.PID, acceptor, listener.PID)
		}
	}
}
