package bpftest

import (
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// mirror is a wire whose other end is this one again: what is sent to Far comes back from Far, as if it were for Near.
type mirror struct {
	device *os.File
	trip   time.Duration
	onWay  chan reflection
}

type reflection struct {
	packet []byte
	due    time.Time
}

// Mirror gives the namespace the address Near, and has it find itself at Far, as far away as a packet takes for a trip. It
// does without netem, which a kernel may be built without.
func (ns *Namespace) Mirror(t testing.TB, trip time.Duration) {
	t.Helper()
	device := &netlink.Tuntap{Mode: netlink.TUNTAP_MODE_TUN, Flags: netlink.TUNTAP_NO_PI, NonPersist: true, Queues: 1}
	device.Name = Wire
	var err error
	ns.Do(func() { err = netlink.LinkAdd(device) })
	if err != nil {
		Missing(t, "needs a TUN device: "+err.Error())
	}
	const packets = 1000 // on their way at a time: any more wait in the kernel
	m := mirror{device.Fds[0], trip, make(chan reflection, packets)}
	var working sync.WaitGroup
	working.Go(m.take)
	working.Go(m.give)
	t.Cleanup(func() {
		m.device.Close()
		working.Wait()
	})
	address := &netlink.Addr{IPNet: &net.IPNet{IP: Near.AsSlice(), Mask: net.CIDRMask(24, 32)}}
	ns.Do(func() {
		if err = netlink.AddrAdd(device, address); err == nil {
			err = netlink.LinkSetUp(device)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// take turns packets round until the device is closed. No checksum changes: both addresses are in the sum still.
func (m mirror) take() {
	defer close(m.onWay)
	for {
		packet := make([]byte, 1500)
		n, err := m.device.Read(packet)
		if err != nil {
			return
		}
		if packet[0]>>4 != 4 { // the kernel looks for routers of IPv6
			continue
		}
		var source [4]byte
		copy(source[:], packet[12:16])
		copy(packet[12:16], packet[16:20])
		copy(packet[16:20], source[:])
		m.onWay <- reflection{packet[:n], time.Now().Add(m.trip)}
	}
}

// give hands packets back when their time has come: those that came first are due first.
func (m mirror) give() {
	for r := range m.onWay {
		<-time.After(time.Until(r.due))
		_, _ = m.device.Write(r.packet) // fails when the test has ended meanwhile
	}
}
