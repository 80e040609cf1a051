package connection_test

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/bpf/programs/connection"
)

// connectFor has a socket connect and waits so long for an answer.
func connectFor(t *testing.T, fd int, to unix.SockaddrInet4, patience time.Duration) {
	t.Helper()
	err := unix.Connect(fd, &to)
	if !errors.Is(err, unix.EINPROGRESS) {
		t.Error("connect: ", err)
	}
	if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(patience.Milliseconds())); err != nil {
		t.Error(err)
	}
}

// What a connect sent that failed is counted, each time that its socket asked, as the kernel counts it: a share of what was
// sent again is a share of all that was sent.
func TestSegmentsOfConnectsThatFailAreCounted(t *testing.T) {
	pair := bpftest.NewPair(t)
	pair.Far.Run(t, "nft", "add table ip t; add chain ip t in { type filter hook input priority 0; }; add rule ip t in tcp dport 4002 drop")
	truth := func(name string) int { return pair.Near.Counter(t, "snmp", "Tcp", name) }
	out, again, in := truth("OutSegs"), truth("RetransSegs"), truth("InSegs")
	recorder := bpftest.Start(t, connection.NewProgram(bpf.NewInMemoryStorage()))
	pair.Near.Do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer unix.Close(fd)
		refused := unix.SockaddrInet4{Addr: [4]byte{10, 77, 0, 2}, Port: 4001}
		for range 3 {
			connectFor(t, fd, refused, 5*time.Second)
			if err := unix.Connect(fd, &refused); !errors.Is(err, unix.ECONNREFUSED) {
				t.Error("connect is told: ", err)
			}
		}
		connectFor(t, fd, unix.SockaddrInet4{Addr: [4]byte{10, 77, 0, 2}, Port: 4002}, 1500*time.Millisecond)
	})
	out, again, in = truth("OutSegs")-out, truth("RetransSegs")-again, truth("InSegs")-in
	recorder.Stop(t)
	sums := summed(recorder, command(t))
	sent, received := int(sums["kerntap.tcp.segments transmit"]), int(sums["kerntap.tcp.segments receive"])
	if sent != out+again || received != in || again == 0 || in != 3 {
		t.Errorf("%d segments sent and %d received, the kernel counts %d and %d, of which %d again", sent, received, out+again, in, again)
	}
}
