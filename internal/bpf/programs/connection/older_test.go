package connection_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
	"github.com/kerntap/kerntap/internal/kernel"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// hold connects to the address that it reads, says so, and keeps the connection until its standard input ends.
func hold(_ []string, stdin io.Reader, stdout io.Writer) error {
	var address string
	if _, err := fmt.Fscan(stdin, &address); err != nil {
		return err
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintln(stdout, conn.LocalAddr())
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// share listens on a port of its own choice and starts a copy of itself that has the listener open too.
func share(_ []string, stdin io.Reader, stdout io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	link := filepath.Join(filepath.Dir(self), "kt-heir")
	if err := os.Symlink(self, link); err != nil {
		return err
	}
	heir := exec.Command(link)
	heir.Env = append(os.Environ(), bpftest.AsHelper("idle"))
	heir.ExtraFiles = append(heir.ExtraFiles, file)
	heir.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := heir.Start(); err != nil {
		return err
	}
	defer heir.Wait()
	defer heir.Process.Kill()
	fmt.Fprintln(stdout, listener.Addr())
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// idle does nothing until it is killed.
func idle([]string, io.Reader, io.Writer) error { select {} }

// Listeners and connections that were there before the program have their owners, and no role that nobody saw.
func TestSocketsOlderThanTheProgramHaveTheirOwners(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	server := ns.StartHelper(t, "kt-old-server", "sink", "127.0.0.1:0")
	address := server.Line(t)
	holder := ns.StartHelper(t, "kt-old-holder", "hold")
	holder.Send(t, address)
	local := holder.Line(t)

	recorder := start(t)
	caller := ns.StartHelper(t, "kt-caller", "burst", address, "1", "fin")
	caller.Line(t)
	accepted := bpftest.Await(t, recorder, "accepted", is(ns, connection.RoleServer, connection.OutcomeOpened))
	if accepted.PID != server.PID || accepted.Command != "kt-old-server" {
		t.Errorf("accepted by %s[%d], want kt-old-server[%d]", accepted.Command, accepted.PID, server.PID)
	}
	holder.End(t)
	ended := bpftest.Await(t, recorder, "the end of the older connection", func(e *connection.Event) bool {
		return e.NetNS == ns.Inode && e.Local.String() == local && e.Outcome == connection.OutcomeClosed
	})
	if ended.PID != holder.PID || ended.Command != "kt-old-holder" || ended.Role != connection.RoleUnknown {
		t.Errorf("ended by %s[%d] as %q", ended.Command, ended.PID, ended.Role)
	}
	attributes := make(map[string]bool)
	for _, attribute := range ended.Attributes(nil) {
		attributes[attribute.Key] = true
	}
	if ended.Duration <= 0 || attributes[telemetry.Duration] || !attributes[telemetry.DurationMinimum] {
		t.Errorf("it is said to have lasted %s, with %v: nobody saw it begin", ended.Duration, attributes)
	}
}

// Who of two that have a listener open made it cannot be told: what they have in common is.
func TestAnOlderListenerOfTwoProcessesIsNeitherOnes(t *testing.T) {
	bpftest.Require(t)
	types, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	if kernel.Acceptors.Lost(types) == nil {
		t.Skip("who accepts is seen on this kernel, whoever listens")
	}
	ns := bpftest.NewNamespace(t)
	address := ns.StartHelper(t, "kt-sharing", "share").Line(t)
	recorder := start(t)
	ns.StartHelper(t, "kt-caller", "burst", address, "1", "fin").Line(t)
	accepted := bpftest.Await(t, recorder, "accepted", is(ns, connection.RoleServer, connection.OutcomeOpened))
	if accepted.PID != 0 || accepted.Command != "" || accepted.Executable != "kt-sharing" {
		t.Errorf("accepted by %s[%d] (%s)", accepted.Command, accepted.PID, accepted.Executable)
	}
}

// Sockets of other protocols, or that are not connected, are not the program's business.
func TestOlderSocketsThatAreNoConnectionsAreLeftAlone(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	var cookies []uint64
	ns.Do(func() {
		for _, kind := range [][3]int{{unix.AF_INET, unix.SOCK_STREAM, 0}, {unix.AF_NETLINK, unix.SOCK_RAW, unix.IPPROTO_TCP},
			{unix.AF_UNIX, unix.SOCK_STREAM, 0}, {unix.AF_INET, unix.SOCK_DGRAM, 0}} {
			fd, err := unix.Socket(kind[0], kind[1], kind[2])
			if errors.Is(err, unix.EPROTONOSUPPORT) {
				continue // this kernel has no such netlink family
			}
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { unix.Close(fd) })
			cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
			if err != nil {
				t.Error(err)
			}
			cookies = append(cookies, cookie)
		}
	})
	start(t)
	known := bpftest.OwnedSockets(t)
	for i, cookie := range cookies {
		if slices.Contains(known, cookie) {
			t.Errorf("socket %d is known", i)
		}
	}
}
