package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// What one round of trouble is made of.
const (
	refused  = 5 // connects that nobody answers
	answered = 4 // connects that are answered, with payload bytes each way
	cutOff   = 2 // connects that are answered, and then cut off by a reset
	hasty    = 6 // connects whose first packet the firewall drops on its way out, and that are given up at once
	late     = 3 // connects that find the listener's queue full, given up at once
	patient  = 1 // connects whose packets the firewall drops on their way in, given up after the second
	failing  = refused + hasty + late + patient
	payload  = 10_000
)

// The addresses of the trouble, in a network namespace of its own.
const (
	nobody  = "127.0.0.1:1"
	server  = "127.0.0.1:8080"
	rude    = "127.0.0.1:8081"
	full    = "127.0.0.1:8082"
	outward = "127.0.0.1:9"
	inward  = "127.0.0.1:10"
)

// dropRules drop on the way out, where the kernel knows whose packet it is, and does not count it as sent again; and on the
// way in, where it is the other way round.
const dropRules = "add table ip t; add chain ip t out { type filter hook output priority 0; }; add rule ip t out tcp dport 9 drop; " +
	"add chain ip t in { type filter hook input priority 0; }; add rule ip t in tcp dport 10 drop"

func TestMain(m *testing.M) {
	bpftest.RunHelper(map[string]bpftest.Helper{"serve": serve, "trouble": trouble, "far": far})
	os.Exit(m.Run())
}

// serve echoes at one address and cuts off at another until its input ends.
func serve(_ []string, in io.Reader, out io.Writer) error {
	for address, answer := range map[string]func(*net.TCPConn){
		server: echo,
		rude: func(conn *net.TCPConn) {
			_, _ = io.ReadFull(conn, make([]byte, 1))
			_ = conn.SetLinger(0)
		},
	} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		go answerAll(listener, answer)
	}
	if err := neglect(full); err != nil {
		return err
	}
	fmt.Fprintln(out, "serving")
	_, err := io.Copy(io.Discard, in)
	return err
}

// neglect listens at an address, accepts nothing, and fills its queue.
func neglect(address string) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	at := netip.MustParseAddrPort(address)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}); err != nil {
		return err
	}
	if err := syscall.Listen(fd, 0); err != nil {
		return err
	}
	_, err = net.Dial("tcp", address)
	return err
}

func echo(conn *net.TCPConn) { _, _ = io.Copy(conn, conn) }

func answerAll(listener net.Listener, answer func(*net.TCPConn)) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			answer(conn.(*net.TCPConn))
			_ = conn.Close()
		}()
	}
}

// trouble causes a round for each line that it reads, and says so when that is over.
func trouble(_ []string, in io.Reader, out io.Writer) error { return forEachLine(in, out, round) }

func forEachLine(in io.Reader, out io.Writer, do func() error) error {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if err := do(); err != nil {
			return err
		}
		fmt.Fprintln(out, "done")
	}
	return nil
}

func round() error {
	for range refused {
		if conn, err := net.Dial("tcp", nobody); err == nil {
			return fmt.Errorf("somebody answers at %s", conn.RemoteAddr())
		}
	}
	for range answered {
		if err := echoAt(server, payload); err != nil {
			return err
		}
	}
	for range cutOff {
		if err := echoAt(rude, 1); !errors.Is(err, syscall.ECONNRESET) {
			return fmt.Errorf("cut off by %v", err)
		}
	}
	for range late {
		if err := giveUp(full, 50*time.Millisecond); err != nil {
			return err
		}
	}
	for range hasty {
		if err := giveUp(outward, 50*time.Millisecond); err != nil {
			return err
		}
	}
	for range patient {
		if err := giveUp(inward, 1500*time.Millisecond); err != nil { // the second packet comes after a second
			return err
		}
	}
	return nil
}

func giveUp(address string, after time.Duration) error {
	conn, err := net.DialTimeout("tcp", address, after)
	if err != nil {
		return nil
	}
	defer conn.Close()
	return fmt.Errorf("somebody answers at %s", address)
}

func echoAt(address string, bytes int) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	return echoOn(conn, bytes)
}

// echoOn sends bytes and waits for as many.
func echoOn(conn net.Conn, bytes int) error {
	if _, err := conn.Write(make([]byte, bytes)); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, bytes))
	return err
}
