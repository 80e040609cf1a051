package connection_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The parts of io_uring's interface (include/uapi/linux/io_uring.h) that connecting one socket takes.
type ringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	_                                                                      [3]uint32
	sq                                                                     struct {
		head, tail, ringMask, ringEntries, flags, dropped, array, _ uint32
		_                                                           uint64
	}
	cq struct {
		head, tail, ringMask, ringEntries, overflow, cqes, flags, _ uint32
		_                                                           uint64
	}
}

type ringSubmission struct {
	opcode, flags uint8
	ioprio        uint16
	fd            int32
	offset        uint64 // the length of the address
	address       uint64
	_             [5]uint64
}

const (
	ringConnect       = 16
	ringGetEvents     = 1
	ringOffCompletion = 0x8000000
	ringOffSubmission = 0x10000000
)

// openRing makes an io_uring with room for one.
func openRing() (ring int, params ringParams, err error) {
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)), 0)
	if errno != 0 {
		return -1, params, fmt.Errorf("set io_uring up: %v", errno)
	}
	return int(fd), params, nil
}

// rawSockaddr is an address as the kernel reads it.
func rawSockaddr(to netip.AddrPort) (address unsafe.Pointer, length uint64) {
	port := to.Port()>>8 | to.Port()<<8
	if to.Addr().Is4() {
		return unsafe.Pointer(&unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: to.Addr().As4()}), unix.SizeofSockaddrInet4
	}
	return unsafe.Pointer(&unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: to.Addr().As16()}), unix.SizeofSockaddrInet6
}

// dialByRing connects a socket by io_uring and waits for the answer.
func dialByRing(fd int, to netip.AddrPort) error {
	ring, params, err := openRing()
	if err != nil {
		return err
	}
	defer unix.Close(ring)
	var areas [3][]byte
	for i, area := range []struct {
		offset int64
		length uint32
	}{
		{0, params.sq.array + 4*params.sqEntries},
		{ringOffCompletion, params.cq.cqes + 16*params.cqEntries},
		{ringOffSubmission, 64 * params.sqEntries},
	} {
		areas[i], err = unix.Mmap(ring, area.offset, int(area.length), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return fmt.Errorf("map io_uring: %v", err)
		}
		defer unix.Munmap(areas[i])
	}
	queue, completions, submissions := areas[0], areas[1], areas[2]
	address, length := rawSockaddr(to)
	var pin runtime.Pinner
	pin.Pin(address)
	defer pin.Unpin()
	*(*ringSubmission)(unsafe.Pointer(&submissions[0])) = ringSubmission{opcode: ringConnect, fd: int32(fd), offset: length,
		address: uint64(uintptr(address))}
	*(*uint32)(unsafe.Pointer(&queue[params.sq.array])) = 0
	*(*uint32)(unsafe.Pointer(&queue[params.sq.tail]))++
	// Go's own signals interrupt the wait, of which the call that has submitted says nothing.
	answers := (*uint32)(unsafe.Pointer(&completions[params.cq.tail]))
	for submit := uintptr(1); atomic.LoadUint32(answers) == 0; submit = 0 {
		_, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(ring), submit, 1, ringGetEvents, 0, 0)
		if errno != 0 && errno != unix.EINTR {
			return fmt.Errorf("enter io_uring: %v", errno)
		}
	}
	if result := *(*int32)(unsafe.Pointer(&completions[params.cq.cqes+8])); result < 0 {
		return unix.Errno(-result)
	}
	return nil
}
