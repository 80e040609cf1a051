package packet_drop_test

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// crowd is what the queue of a CPU takes while it is small. Whatever else this machine sends meanwhile seldom comes in
// larger bursts.
const crowd = 10

// crowdedPort is where the far end reads what the queue had room for.
const crowdedPort = 4012

// backlogLimit is how long the queue of each CPU may get: of the whole machine, so that its first namespace alone has it.
const backlogLimit = "/proc/sys/net/core/netdev_max_backlog"

// bursting has the wire take many datagrams apart that were sent as one: the CPU hands them all to its queue before it may
// handle any. It reports false where the queue's length cannot be set.
func bursting(t *testing.T, p *bpftest.Pair) bool {
	if file, err := os.OpenFile(backlogLimit, os.O_WRONLY, 0); err != nil {
		t.Logf("the queue of a CPU cannot be made small: %v", err)
		return false
	} else if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	p.Near.Do(func() {
		var link netlink.Link
		if link, err = netlink.LinkByName(wire); err == nil {
			err = netlink.LinkSetGSOMaxSegs(link, 1)
		}
	})
	if err != nil {
		t.Logf("the wire takes nothing apart: %v", err)
		return false
	}
	bound(t, p.Far, crowdedPort)
	return true
}

// overcrowd sends n datagrams more than the queue of a CPU takes.
func overcrowd(t *testing.T, p *bpftest.Pair, n int) {
	const size = 8
	sender := bound(t, p.Near, 0)
	if err := unix.SetsockoptInt(sender, unix.SOL_UDP, unix.UDP_SEGMENT, size); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(backlogLimit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(backlogLimit, before, 0) }) // if what follows ends early
	if err := os.WriteFile(backlogLimit, []byte(strconv.Itoa(crowd-1)), 0); err != nil {
		t.Fatal(err)
	}
	to := &unix.SockaddrInet4{Port: crowdedPort, Addr: bpftest.Far.As4()}
	err = unix.Sendto(sender, make([]byte, size*(crowd+n)), 0, to)
	if err := errors.Join(err, os.WriteFile(backlogLimit, before, 0)); err != nil {
		t.Fatal(err)
	}
}

// softnetDrops is how many packets the CPUs had no room for, of the whole machine.
func softnetDrops(t *testing.T, _ *bpftest.Pair) int {
	t.Helper()
	text, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for line := range strings.Lines(string(text)) {
		dropped, err := strconv.ParseUint(strings.Fields(line)[1], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		total += int(dropped)
	}
	return total
}
