package connection_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// acceptEach listens on an address, says which one it got, and hands on what it accepts until its input ends.
func acceptEach(address string, stdin io.Reader, stdout io.Writer, do func(net.Conn)) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return acceptFrom(listener, stdin, stdout, do)
}

// acceptFrom is acceptEach of what listens already.
func acceptFrom(listener net.Listener, stdin io.Reader, stdout io.Writer, do func(net.Conn)) error {
	fmt.Fprintln(stdout, listener.Addr())
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			do(conn)
		}
	}()
	_, err := io.Copy(io.Discard, stdin)
	return err
}

// server listens on the address in args, says which one it got, and echoes each connection until its peer closes.
func server(args []string, stdin io.Reader, stdout io.Writer) error {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if controlErr := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}); controlErr != nil {
			return controlErr
		}
		return err
	}}
	listener, err := config.Listen(context.Background(), "tcp", args[0])
	if err != nil {
		return err
	}
	return acceptFrom(listener, stdin, stdout, func(conn net.Conn) {
		go func() {
			defer conn.Close()
			fmt.Fprintln(conn, os.Getpid())
			io.Copy(conn, conn)
		}()
	})
}

// client connects to every address that it reads, says who answered, and closes. The argument mptcp makes it do so
// with MPTCP.
func client(args []string, stdin io.Reader, stdout io.Writer) error {
	var dialer net.Dialer
	dialer.SetMultipathTCP(slices.Contains(args, "mptcp"))
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		conn, err := dialer.Dial("tcp", lines.Text())
		if err != nil {
			fmt.Fprintln(stdout, "error", err)
			continue
		}
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			return err
		}
		conn.Close()
		fmt.Fprintln(stdout, answer[:len(answer)-1], conn.LocalAddr())
	}
	return lines.Err()
}
