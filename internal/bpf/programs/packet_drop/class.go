package packet_drop

import (
	"strings"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// Class says what a drop means to whoever runs the workload.
type Class string

const (
	// ClassLoss is a packet that somebody wanted and did not get.
	ClassLoss Class = telemetry.ClassLoss
	// ClassRefused is a packet that was turned away: nobody listens, or the other end gave up.
	ClassRefused Class = telemetry.ClassRefused
	// ClassCleanup is what ordinary operation throws away: queues of closing sockets, duplicates, copies for others.
	ClassCleanup Class = telemetry.ClassCleanup
)

// refused are the reasons by which a packet is turned away.
var refused = map[string]bool{
	"NO_SOCKET":         true,
	"TCP_RESET":         true,
	"TCP_CLOSE":         true,
	"TCP_ABORT_ON_DATA": true,
	"IP_NOPROTO":        true,
	"UNHANDLED_PROTO":   true,
	"INVALID_PROTO":     true,
	"IPV6DISABLED":      true,
	"SOCKET_FILTER":     true,
}

// cleanup are the reasons of ordinary operation.
var cleanup = map[string]bool{
	"CONSUMED":                 true,
	"SOCKET_CLOSE":             true,
	"QUEUE_PURGE":              true,
	"OTHERHOST":                true,
	"UNICAST_IN_L2_MULTICAST":  true,
	"TCP_OFOMERGE":             true,
	"TCP_OLD_DATA":             true,
	"TCP_OLD_SEQUENCE":         true, // a duplicate, or the probe of a keep-alive or of a closed window
	"TCP_RFC7323_PAWS_ACK":     true,
	"TCP_OLD_ACK":              true,
	"TCP_TOO_OLD_ACK":          true,
	"DUP_FRAG":                 true,
	"TAP_FILTER":               true,
	"TAP_TXFILTER":             true,
	"IPV6_NDISC_NS_OTHERHOST":  true,
	"MAC_IEEE_MAC_CONTROL":     true,
	"BRIDGE_INGRESS_STP_STATE": true,
}

// cleanupIfBare are reasons of ordinary operation if the segment carries nothing: acknowledgements that another one has
// overtaken, on another CPU or on its way. Data under the same reasons may be lost.
var cleanupIfBare = map[string]bool{
	"TCP_INVALID_SEQUENCE": true,
	"TCP_RFC7323_PAWS":     true, // newer kernels say TCP_RFC7323_PAWS_ACK
	"TCP_FLAGS":            true, // for a connection that has ended, of which a socket that listens knows nothing
}

// cleaners are the functions that throw away in ordinary operation where the kernel gives no reason: the queues of
// closing sockets (6.1 says NOT_SPECIFIED there, 5.10 has no reasons), an acknowledgement at the end of a connection
// once it has been read, multicast that nobody here has joined.
var cleaners = map[string]bool{
	"tcp_rcv_state_process":  true,
	"ip6_mc_input":           true,
	"sk_stream_kill_queues":  true,
	"inet_sock_destruct":     true,
	"tcp_v4_destroy_sock":    true,
	"tcp_write_queue_purge":  true,
	"skb_queue_purge":        true,
	"skb_queue_purge_reason": true,
	"__skb_queue_purge":      true,
	"skb_rbtree_purge":       true,
	"tcp_disconnect":         true,
	"__tcp_close":            true,
	"udp_destruct_common":    true,
	"udpv6_destruct_sock":    true,
	"inet_csk_listen_stop":   true,
	"inet_csk_destroy_sock":  true,
}

// packetMeaning is what a packet itself says about what its drop means, DROP_… in bpf/packet_drop.bpf.c.
type packetMeaning uint8

const (
	packetEnding packetMeaning = 1 << iota // it was for a connection at its end
	packetOpens                            // a TCP segment that asks for a connection
	packetBare                             // one that carries nothing: no data, no beginning, no end
	packetAll    = packetEnding | packetOpens | packetBare
)

// asksPacket tells whether what a reason means depends on what kind of TCP segment it was. Kernels that have a reason
// for less throw away lost data and a probe of a keep-alive or of a closed window alike.
func asksPacket(reason string) bool {
	return unspecified(reason) || cleanupIfBare[reason]
}

// unspecified tells whether the kernel gives no reason.
func unspecified(reason string) bool { return reason == "" || reason == "NOT_SPECIFIED" }

// classify decides by the reason, and where the kernel gives none by the packet and the place. What cannot be told apart
// is a loss: better one too many to look at than one that is never seen.
func classify(reason, location string, packet packetMeaning) Class {
	function, _, _ := strings.Cut(location, "+")
	switch {
	case refused[reason]:
		return ClassRefused
	case cleanup[reason]:
		return ClassCleanup
	case cleanupIfBare[reason] && packet&packetBare != 0:
		return ClassCleanup
	case !unspecified(reason):
		return ClassLoss
	case packet&packetEnding != 0:
		// The kernel reads an acknowledgement or a FIN, answers it and frees it.
		return ClassCleanup
	case function == "tcp_v4_rcv" || function == "tcp_v6_rcv":
		return classifyReceived(packet)
	case cleaners[function]:
		return ClassCleanup
	}
	return ClassLoss
}

// classifyReceived is about kernels that say neither why nor for which socket TCP threw a segment away as soon as it
// came: an attempt to connect that nobody waits for is turned away; anything else is for a connection that is in
// TIME_WAIT or gone.
func classifyReceived(packet packetMeaning) Class {
	if packet&packetOpens != 0 {
		return ClassRefused
	}
	return ClassCleanup
}
