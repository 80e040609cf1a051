package connection_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
)

// connectTwice connects two sockets from one port to one address and returns what the second is told.
func connectTwice(address string) error {
	at := netip.MustParseAddrPort(address)
	to := &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}
	var local unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	for {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.Bind(fd, local)); err != nil {
			return err
		}
		if err := unix.Connect(fd, to); err != nil {
			return err
		}
		if local, err = unix.Getsockname(fd); err != nil {
			return err
		}
	}
}

// A connect from a port that has such a connection already is told by the kernel as one that its caller gave up: it fails
// after SYN_SENT, without an error of the socket's.
func TestAPortThatIsTakenIsNoConnectThatWasGivenUp(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	recorder := start(t)
	address := ns.StartHelper(t, "kt-taken", "sink", "127.0.0.1:0").Line(t)
	var told error
	ns.Do(func() { told = connectTwice(address) })
	if !errors.Is(told, syscall.EADDRNOTAVAIL) {
		t.Fatalf("the second connect is told %v", told)
	}
	failed := bpftest.Await(t, recorder, "failed", is(ns, connection.RoleClient, connection.OutcomeFailed))
	if failed.Errno != syscall.EADDRNOTAVAIL || failed.Peer.String() != address {
		t.Errorf("connecting to %s failed with %v", failed.Peer, failed.Errno)
	}
}
