package bpftest

import (
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Pin keeps the calling goroutine, and what it does, on one CPU until it ends.
func Pin(cpu int) error {
	runtime.LockOSThread()
	var cpus unix.CPUSet
	cpus.Set(cpu)
	if err := unix.SchedSetaffinity(0, &cpus); err != nil {
		return fmt.Errorf("stay on CPU %d: %w", cpu, err)
	}
	return nil
}

// SendDatagrams sends to a UDP port of 127.0.0.1 at full speed until a deadline, many datagrams with one system call, and
// returns how many. A firewall that drops them on their way out says EPERM: those are not among them.
func SendDatagrams(port int, until time.Time) (sent uint64, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open socket: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
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
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&messages[0])), batch, 0, 0, 0)
		if errno != 0 && errno != unix.EPERM {
			return sent, fmt.Errorf("sendmmsg: %w", errno)
		}
		if errno == 0 {
			sent += uint64(n)
		}
	}
	return sent, nil
}
