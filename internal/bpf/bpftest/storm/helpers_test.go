package storm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// workOn works, by this goroutine alone, on the CPU in the first argument.
func workOn(args []string, stdin io.Reader, stdout io.Writer, do func(until time.Time) (uint64, error)) error {
	cpu, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if err := bpftest.Pin(cpu); err != nil {
		return err
	}
	return work(stdin, stdout, do)
}

// work reads durations, a line each. It does something for so long, and writes how much it did and in how many nanoseconds.
func work(stdin io.Reader, stdout io.Writer, do func(until time.Time) (uint64, error)) error {
	fmt.Fprintln(stdout, "ready")
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		lasting, err := time.ParseDuration(lines.Text())
		if err != nil {
			return err
		}
		began := time.Now()
		n, err := do(began.Add(lasting))
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, n, time.Since(began).Nanoseconds())
	}
	return nil
}

const floodPort = 40009

// flood sends datagrams that the firewall drops.
func flood(args []string, stdin io.Reader, stdout io.Writer) error {
	return workOn(args, stdin, stdout, func(until time.Time) (uint64, error) {
		return bpftest.SendDatagrams(floodPort, until)
	})
}

// getppid asks for its parent's process id over and over.
func getppid(args []string, stdin io.Reader, stdout io.Writer) error {
	return workOn(args, stdin, stdout, func(until time.Time) (n uint64, _ error) {
		for ; time.Now().Before(until); n += 1000 {
			for range 1000 {
				unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0)
			}
		}
		return n, nil
	})
}

// serve accepts connections at the port in its second argument and ends each when its client has.
func serve(args []string, stdin io.Reader, stdout io.Writer) error {
	address, err := addressOf(args[1])
	if err != nil {
		return err
	}
	cpu, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Bind(listener, address), unix.Listen(listener, 128)); err != nil {
		return err
	}
	if err := bpftest.Pin(cpu); err != nil {
		return err
	}
	endWith(stdin) // the other thread waits in accept
	fmt.Fprintln(stdout, "ready")
	for {
		conn, _, err := unix.Accept(listener)
		if err != nil {
			return err
		}
		if err := finish(conn); err != nil {
			return err
		}
	}
}

// endWith ends this process once nobody writes to it any more.
func endWith(stdin io.Reader) {
	go func() {
		io.Copy(io.Discard, stdin)
		os.Exit(0)
	}()
}

// connect opens one connection after the other to the port in its second argument, ends it and waits for the other end.
func connect(args []string, stdin io.Reader, stdout io.Writer) error {
	address, err := addressOf(args[1])
	if err != nil {
		return err
	}
	return workOn(args, stdin, stdout, func(until time.Time) (n uint64, _ error) {
		for ; time.Now().Before(until); n++ {
			conn, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err != nil {
				return n, err
			}
			if err := errors.Join(unix.Connect(conn, address), unix.Shutdown(conn, unix.SHUT_WR), finish(conn)); err != nil {
				return n, err
			}
		}
		return n, nil
	})
}

// finish closes a connection whose other end has nothing more to say.
func finish(conn int) error {
	var room [1]byte
	_, err := unix.Read(conn, room[:])
	return errors.Join(err, unix.Close(conn))
}

func addressOf(port string) (*unix.SockaddrInet4, error) {
	number, err := strconv.Atoi(port)
	return &unix.SockaddrInet4{Port: number, Addr: [4]byte{127, 0, 0, 1}}, err
}
