package packet_drop_test

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// packets each differ from another one in a single thing: the place where they are dropped, the reason, the protocols, or
// whether they are packets at all: protocol is what is to be told of them, 0 where there is none.
var packets = []struct {
	network, address string
	payload          []byte
	etherType        uint16
	protocol         uint8
}{
	{"udp4", "127.0.0.1:40009", []byte("a firewall's rule"), unix.ETH_P_IP, 17},
	{"udp4", "127.0.0.1:40013", []byte("a firewall's policy"), unix.ETH_P_IP, 17},
	{"udp6", "[::1]:40009", []byte("a firewall's rule"), unix.ETH_P_IPV6, 17},
	{"ip4:100", "127.0.0.1", []byte("a firewall's rule"), unix.ETH_P_IP, 100},
	{"ip4:101", "127.0.0.1", []byte("a firewall's rule"), unix.ETH_P_IP, 101},
	{"ip6:100", "::1", []byte("a firewall's rule"), unix.ETH_P_IPV6, 100},
	{"udp4", "127.0.0.1:40012", []byte("no socket"), unix.ETH_P_IP, 17},

	{"packet4", "", ipv4(0x45, 21, 0x101), unix.ETH_P_IP, 17},  // a wrong checksum
	{"packet4", "", ipv4(0x45, 99, 0x7c88), unix.ETH_P_IP, 17}, // cut off
	{"packet4", "", ipv4(0x45, 10, 0x7ce1), unix.ETH_P_IP, 17}, // said to be shorter than its header
	{"packet4", "", ipv4(0x55, 21, 0), unix.ETH_P_IP, 0},       // of another version
	{"packet4", "", ipv4(0x44, 21, 0), unix.ETH_P_IP, 0},       // said to have a shorter header than there is
	{"packet4", "", ipv4(0x45, 21, 0)[:16], unix.ETH_P_IP, 0},

	{"packet6", "", ipv6(0x60, 17, 17), unix.ETH_P_IPV6, 17},
	{"packet6", "", ipv6(0x60, 100, 17), unix.ETH_P_IPV6, 100},
	{"packet6", "", ipv6(0x60, 0, 17), unix.ETH_P_IPV6, 17},      // behind options for each hop
	{"packet6", "", ipv6(0x60, 44, 100), unix.ETH_P_IPV6, 100},   // a fragment
	{"packet6", "", ipv6(0x60, 0, 17)[:44], unix.ETH_P_IPV6, 0},  // the options are cut off
	{"packet6", "", ipv6(0x50, 17, 17), unix.ETH_P_IPV6, 0},      // of another version
	{"packet6", "", ipv6(0x60, 17, 17)[:39], unix.ETH_P_IPV6, 0}, // a header that is cut off
}

// ipv4 is what is sent as an IPv4 packet: the first byte of its header, its length and checksum, a byte of payload.
func ipv4(first, length byte, sum uint16) []byte {
	packet := []byte{first, 0, 0, length, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 'x'}
	binary.BigEndian.PutUint16(packet[10:], sum)
	return packet
}

// ipv6 is what is sent as an IPv6 packet: the first byte of its header, what follows that, and, behind the first eight
// bytes of it, what follows then.
func ipv6(first, next, afterwards byte) []byte {
	packet := append([]byte{first, 0, 0, 0, 0, 16, next, 77}, make([]byte, 48)...)
	packet[40] = afterwards
	return packet
}

// inTurns sends packets of all kinds in random turns, and tells how many of each protocol.
func inTurns(turns int) (map[kind]uint64, error) {
	if err := bpftest.Pin(0); err != nil {
		return nil, err
	}
	var conns []io.WriteCloser
	for _, packet := range packets {
		conn, err := dial(packet.network, packet.address)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	sent := make(map[kind]uint64)
	for range turns {
		i := rand.IntN(len(packets))
		for range 1 + rand.IntN(3) {
			_, err := conns[i].Write(packets[i].payload)
			if errors.Is(err, syscall.ECONNREFUSED) { // that nobody was there for the one before
				_, err = conns[i].Write(packets[i].payload)
			}
			if err != nil {
				return nil, err
			}
			sent[kind{etherType: packets[i].etherType, protocol: packets[i].protocol}]++
		}
	}
	return sent, nil
}

// dial opens a connection, or what sends whole packets as they are.
func dial(network, address string) (io.WriteCloser, error) {
	version, whole := strings.CutPrefix(network, "packet")
	if !whole {
		return net.Dial(network, address)
	}
	etherType := map[string]uint16{"4": unix.ETH_P_IP, "6": unix.ETH_P_IPV6}[version]
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	return loopback{fd, etherType}, err
}

// loopback is a packet socket that sends over the loopback device, and receives nothing.
type loopback struct {
	fd        int
	etherType uint16
}

func (l loopback) Write(packet []byte) (int, error) {
	inNetworkOrder := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, l.etherType))
	err := unix.Sendto(l.fd, packet, 0, &unix.SockaddrLinklayer{Protocol: inNetworkOrder, Ifindex: 1})
	return len(packet), err
}

func (l loopback) Close() error { return unix.Close(l.fd) }
