package packet_drop_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
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
	runtime.LockOSThread()
	var cpus unix.CPUSet
	cpus.Set(cpu)
	if err := unix.SchedSetaffinity(0, &cpus); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		if err := sendAll(fd, time.Now().Add(floodTime)); err != nil {
			return err
		}
		fmt.Fprintln(stdout, "sent")
	}
	return nil
}

// sendAll sends until a deadline, many datagrams with one system call. A firewall that drops on the way out says EPERM.
func sendAll(fd int, until time.Time) error {
	const batch = 64
	type message struct {
		header unix.Msghdr
		_      uint64
	}
	payload := []byte("thirty-two bytes of a datagram..")
	part := unix.Iovec{Base: &payload[0]}
	part.SetLen(len(payload))
	var messages [batch]message
	for i := range messages {
		messages[i].header.Iov = &part
		messages[i].header.SetIovlen(1)
	}
	for time.Now().Before(until) {
		_, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&messages[0])), batch, 0, 0, 0)
		if errno != 0 && errno != unix.EPERM {
			return fmt.Errorf("sendmmsg: %w", errno)
		}
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
