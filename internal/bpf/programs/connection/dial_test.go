package connection_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// dial waits for a line, connects args[2] sockets at once to the address args[1] in the way args[0], says that it has begun,
// and then what each was told: the number of an error, 0 for none. Where args[3] is serial one begins after the other.
//
//	blocking      waits in connect
//	nonblocking   asks connect, waits until the socket can be written to, and asks connect again
//	mptcp         like blocking, of MPTCP
//	io_uring      has io_uring connect
//	impatient     like blocking, with a timeout of its own (TCP_USER_TIMEOUT)
//	reset         like blocking, and then reads
//	cancel        asks connect once and closes
//	hang          waits in connect; it has begun when all of them do
//	bound         binds to the port of another connection to the same peer
func dial(args []string, stdin io.Reader, stdout io.Writer) error {
	way := args[0]
	to, err := netip.ParseAddrPort(args[1])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	var now string
	if _, err := fmt.Fscanln(stdin, &now); err != nil {
		return err
	}
	told := make([]error, n)
	var dialing sync.WaitGroup
	for i := range n {
		answered := make(chan struct{})
		dialing.Go(func() {
			defer close(answered)
			told[i] = dialOne(way, to)
		})
		if args[3] == "serial" {
			select {
			case <-answered:
			case <-time.After(50 * time.Millisecond): // it waits for an answer
			}
		}
	}
	if way == "hang" {
		if err := awaitConnecting(to, n); err != nil {
			return err
		}
	}
	fmt.Fprintln(stdout, "begun")
	dialing.Wait()
	for _, err := range told {
		var errno unix.Errno
		if err != nil && !errors.As(err, &errno) {
			return err
		}
		fmt.Fprintln(stdout, int(errno))
	}
	_, err = io.Copy(io.Discard, stdin) // whoever ends now might be looked up
	return err
}

// patience is how long tests wait for what must come.
const patience = 20 * time.Second

// sockaddr is the address in the form of its family: an IPv4-mapped one is IPv6's.
func sockaddr(to netip.AddrPort) (family int, address unix.Sockaddr) {
	if to.Addr().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
}

func dialOne(way string, to netip.AddrPort) error {
	family, address := sockaddr(to)
	kind, protocol := unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP
	switch way {
	case "nonblocking", "cancel":
		kind |= unix.SOCK_NONBLOCK
	case "mptcp":
		protocol = unix.IPPROTO_MPTCP
	}
	fd, err := unix.Socket(family, kind, protocol)
	if err != nil {
		return fmt.Errorf("make a socket: %v", err)
	}
	defer unix.Close(fd)
	switch way {
	case "io_uring":
		return dialByRing(fd, to)
	case "impatient":
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 300); err != nil {
			return fmt.Errorf("set a timeout: %v", err)
		}
	case "bound":
		other, err := occupy(fd, to)
		if err != nil {
			return err
		}
		defer unix.Close(other)
	}
	err = unix.Connect(fd, address)
	switch {
	case way == "nonblocking" && err == unix.EINPROGRESS:
		return askAgain(fd, address)
	case way == "reset" && err == nil:
		_, err = unix.Read(fd, make([]byte, 1))
	}
	return err
}

// occupy connects another socket to the address and binds fd to where that one is.
func occupy(fd int, to netip.AddrPort) (other int, err error) {
	family, address := sockaddr(to)
	_, local := sockaddr(netip.AddrPortFrom(to.Addr(), 0))
	if other, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP); err != nil {
		return -1, fmt.Errorf("make a socket: %v", err)
	}
	for _, step := range []func() error{
		func() error { return unix.SetsockoptInt(other, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) },
		func() error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) },
		func() error { return unix.Bind(other, local) },
		func() error { return unix.Connect(other, address) },
		func() (err error) { local, err = unix.Getsockname(other); return err },
		func() error { return unix.Bind(fd, local) },
	} {
		if err := step(); err != nil {
			unix.Close(other)
			return -1, fmt.Errorf("occupy a port: %v", err)
		}
	}
	return other, nil
}

// askAgain asks for the answer to a connect that goes on. What an ICMP error leaves in the socket's error queue ends the
// waiting before there is one.
func askAgain(fd int, address unix.Sockaddr) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1); err != nil && err != unix.EINTR {
			return err
		}
		switch err := unix.Connect(fd, address); err {
		case unix.EALREADY:
			<-tick.C
		case unix.EISCONN:
			return nil
		default:
			return err
		}
	}
}

// awaitConnecting waits until n sockets of this network namespace and of the address's family are connecting to its port.
func awaitConnecting(to netip.AddrPort, n int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	suffix := fmt.Sprintf(":%04X 02", to.Port()) // the remote address, and TCP_SYN_SENT
	file := "/proc/self/net/tcp"
	if !to.Addr().Is4() {
		file = "/proc/self/net/tcp6"
	}
	for deadline := time.After(patience); ; {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		found := strings.Count(string(text), suffix)
		if found >= n {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return fmt.Errorf("%d of %d sockets are connecting", found, n)
		}
	}
}

// resetter listens on the address in args, says which one it got, and resets what it accepts.
func resetter(args []string, stdin io.Reader, stdout io.Writer) error {
	return acceptEach(args[0], stdin, stdout, func(conn net.Conn) {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	})
}
