package bpftest

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// Counter reads a counter of the namespace from /proc/net/snmp or /proc/net/netstat, where a line of names stands above
// one of numbers.
func (ns *Namespace) Counter(t testing.TB, file, group, name string) int {
	t.Helper()
	var text []byte
	var err error
	ns.Do(func() { text, err = os.ReadFile("/proc/thread-self/net/" + file) })
	if err != nil {
		t.Fatal(err)
	}
	at := -1
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] != group+":" {
			continue
		}
		if at < 0 {
			if at = slices.Index(fields, name); at < 0 {
				break
			}
			continue
		}
		n, err := strconv.Atoi(fields[at])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	t.Fatalf("no %s %s in %s", group, name, file)
	return 0
}

// FirewallCount returns what the first counter of the table t has counted.
func (ns *Namespace) FirewallCount(t testing.TB) int {
	t.Helper()
	fields := strings.Fields(ns.Run(t, "nft", "list", "table", "inet", "t"))
	n, err := strconv.Atoi(fields[slices.Index(fields, "packets")+1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// QueueDrops returns how many packets the queue of the wire has dropped.
func (ns *Namespace) QueueDrops(t testing.TB) int {
	t.Helper()
	dropped := 0
	var err error
	ns.Do(func() {
		var link netlink.Link
		if link, err = netlink.LinkByName(Wire); err != nil {
			return
		}
		var queues []netlink.Qdisc
		if queues, err = netlink.QdiscList(link); err != nil {
			return
		}
		for _, queue := range queues {
			if s := queue.Attrs().Statistics; s != nil && s.Queue != nil {
				dropped += int(s.Queue.Drops)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return dropped
}

// SetQueue replaces the queue of the wire; it reports whether the kernel has one of that kind.
func (ns *Namespace) SetQueue(t testing.TB, of func(netlink.QdiscAttrs) netlink.Qdisc) bool {
	t.Helper()
	var err error
	ns.Do(func() {
		var link netlink.Link
		if link, err = netlink.LinkByName(Wire); err == nil {
			err = netlink.QdiscReplace(of(netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0),
				Parent: netlink.HANDLE_ROOT}))
		}
	})
	return err == nil
}

// LoseAll makes the queue of the wire lose every packet, as a bad link would; false if this kernel cannot.
func (ns *Namespace) LoseAll(t testing.TB) bool {
	return ns.SetQueue(t, func(a netlink.QdiscAttrs) netlink.Qdisc {
		return netlink.NewNetem(a, netlink.NetemQdiscAttrs{Loss: 100})
	})
}

// Strangle makes the queue of the wire keep one packet for a minute, and take no other; false if this kernel cannot.
func (ns *Namespace) Strangle(t testing.TB) bool {
	const minute = 60_000_000 // in microseconds
	return ns.SetQueue(t, func(a netlink.QdiscAttrs) netlink.Qdisc {
		return netlink.NewNetem(a, netlink.NetemQdiscAttrs{Limit: 1, Latency: minute})
	})
}
