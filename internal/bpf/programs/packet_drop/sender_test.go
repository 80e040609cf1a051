package packet_drop_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

const floodTime = 700 * time.Millisecond

// flood sends datagrams to a UDP port of 127.0.0.1, from a CPU, at full speed for floodTime each time it reads a line.
func flood(args []string, stdin io.Reader, stdout io.Writer) error {
	port, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	cpu, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if err := bpftest.Pin(cpu); err != nil {
		return err
	}
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		if _, err := bpftest.SendDatagrams(port, time.Now().Add(floodTime)); err != nil {
			return err
		}
		fmt.Fprintln(stdout, "sent")
	}
	return nil
}

// rawProtocols sends an empty packet of every IP protocol but those that sockets here might answer.
func rawProtocols(rounds int) error {
	for protocol := 100; protocol < 255; protocol++ {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, protocol)
		if err != nil {
			return err
		}
		for range rounds {
			err = unix.Sendto(fd, []byte{1, 2, 3, 4}, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
			if err != nil && !errors.Is(err, unix.EPERM) {
				break
			}
			err = nil
		}
		if err := errors.Join(err, unix.Close(fd)); err != nil {
			return err
		}
	}
	return nil
}
