package kernel

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// anchorAge is how far a timestamp may be past the last anchor before the clocks are read again. It bounds how
	// long a suspend or a clock step stays unseen, and at ten readings a second costs nothing.
	anchorAge = uint64(100 * time.Millisecond)
	// anchorTries and anchorGap bound the search for a reading that no interruption has torn apart.
	anchorTries = 5
	anchorGap   = int64(2 * time.Microsecond)
)

// Clock turns CLOCK_MONOTONIC, the time base of BPF programs, into wall time. The monotonic clock stands still while
// the machine sleeps and takes no part in steps of the wall clock, so the difference between the two changes; Clock
// follows it. It is safe for concurrent use.
type Clock struct {
	read func(clock int32) int64
	// skew is what the time namespace of this process adds to its clocks, which BPF programs do not see.
	skew timeSkew

	// offset is stored before anchor and loaded after it: whoever sees an anchor sees its offset or a newer one.
	anchor atomic.Uint64
	offset atomic.Int64
	// reading lets one goroutine read the clocks while the others wait for its answer.
	reading sync.Mutex
}

// NewClock returns a clock that is anchored to the present.
func NewClock() *Clock {
	var skew timeSkew
	// Kernels without time namespaces (before 5.6) have no such file and no skew.
	if f, err := os.Open("/proc/self/timens_offsets"); err == nil {
		skew = parseTimeSkew(f)
		f.Close()
	}
	return newClock(readClock, skew)
}

func newClock(read func(clock int32) int64, skew timeSkew) *Clock {
	c := &Clock{read: read, skew: skew}
	c.reanchor(0)
	return c
}

// Offset returns the nanoseconds to add to a CLOCK_MONOTONIC timestamp to get Unix time in nanoseconds. It reads the
// clocks when the timestamp is more than 100 ms past the last reading, and allocates nothing.
func (c *Clock) Offset(monotonicNs uint64) int64 {
	if anchor := c.anchor.Load(); monotonicNs > anchor+anchorAge {
		c.reanchor(anchor)
	}
	return c.offset.Load()
}

// Now returns CLOCK_MONOTONIC as BPF programs read it.
func (c *Clock) Now() uint64 { return uint64(c.read(unix.CLOCK_MONOTONIC) - c.skew.monotonic) }

// BootTime returns when the kernel booted, as the wall clock tells it now: a later step of the wall clock moves it.
func (c *Clock) BootTime() time.Time {
	boot := c.read(unix.CLOCK_BOOTTIME) - c.skew.boot
	return time.Unix(0, c.read(unix.CLOCK_REALTIME)-boot).UTC()
}

// reanchor reads the clocks, unless another goroutine has done so since the caller saw the anchor.
func (c *Clock) reanchor(seen uint64) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.anchor.Load() != seen {
		return
	}
	monotonic, offset := c.sample()
	c.offset.Store(offset)
	c.anchor.Store(uint64(monotonic))
}

// sample reads the wall clock between two readings of the monotonic clock and keeps the tightest of a few tries.
func (c *Clock) sample() (monotonic, offset int64) {
	tightest := int64(-1)
	for range anchorTries {
		before := c.read(unix.CLOCK_MONOTONIC) - c.skew.monotonic
		wall := c.read(unix.CLOCK_REALTIME)
		gap := c.read(unix.CLOCK_MONOTONIC) - c.skew.monotonic - before
		if tightest < 0 || gap < tightest {
			tightest, monotonic = gap, before+gap/2
			offset = wall - monotonic
		}
		if tightest <= anchorGap {
			break
		}
	}
	return monotonic, offset
}

// readClock returns a clock of the kernel in nanoseconds. The clocks used here exist on every Linux, so the call
// cannot fail.
func readClock(clock int32) int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(clock, &ts)
	return ts.Nano()
}

// timeSkew is what a time namespace adds to the clocks of its processes, in nanoseconds.
type timeSkew struct{ monotonic, boot int64 }

// parseTimeSkew reads /proc/self/timens_offsets: lines of clock, seconds and nanoseconds. A line it does not know adds
// nothing.
func parseTimeSkew(r io.Reader) timeSkew {
	var skew timeSkew
	for lines := bufio.NewScanner(r); lines.Scan(); {
		var clock string
		var seconds, nanoseconds int64
		if n, _ := fmt.Sscan(lines.Text(), &clock, &seconds, &nanoseconds); n != 3 {
			continue
		}
		switch ns := seconds*int64(time.Second) + nanoseconds; clock {
		case "monotonic":
			skew.monotonic = ns
		case "boottime":
			skew.boot = ns
		}
	}
	return skew
}
