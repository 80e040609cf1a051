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

// packetMeaning is what a packet itself says about what its drop means, DROP_… in bpf/packet_drop.bpf.c.
type packetMeaning uint8

const (
	packetEnding packetMeaning = 1 << iota // it was for a connection at its end
	packetOpens                            // a TCP segment that asks for a connection
	packetBare                             // one that carries nothing but an end, if that: no data, no beginning, no reset
	packetBadSum                           // its checksum was found to be wrong
	packetAll    = packetEnding | packetOpens | packetBare | packetBadSum
)

// cleanupIfBare are reasons of ordinary operation if the segment carries nothing: acknowledgements that another one has
// overtaken, on another CPU or on its way, and ends that were sent again. Data under the same reasons may be lost.
var cleanupIfBare = map[string]string{
	// newer kernels say TCP_OLD_SEQUENCE
	"TCP_INVALID_SEQUENCE": "it repeats what was acknowledged before, as probes of keep-alives and closed windows do",
	// newer kernels say TCP_RFC7323_PAWS_ACK
	"TCP_RFC7323_PAWS": "it is an old acknowledgement that was overtaken",
	"TCP_CLOSE":        "it acknowledges what a connection sent that has been closed since, or ends it once more",
	"TCP_FLAGS":        "it is for a connection that has ended, of which a socket that listens knows nothing",
}

// asksPacket tells whether what a reason means depends on what kind of packet it was.
func asksPacket(reason string) bool { return unspecified(reason) || cleanupIfBare[reason] != "" }

// unspecified tells whether the kernel gives no reason.
func unspecified(reason string) bool { return reason == "" || reason == "NOT_SPECIFIED" }

// functionOf is the function of a location, without what the compiler has added to its name.
func functionOf(location string) string {
	function, _, _ := strings.Cut(location, "+")
	function, _, _ = strings.Cut(function, ".")
	return function
}

// classify decides by the reason, and where the kernel gives none by the packet and the place. What cannot be told apart
// is a loss: better one too many to look at than one that is never seen.
func classify(reason, location string, packet packetMeaning) Class {
	if !unspecified(reason) {
		if cleanupIfBare[reason] != "" && packet&packetBare != 0 {
			return ClassCleanup
		}
		if known, ok := meaningOf(reason); ok {
			return known.Class
		}
		return ClassLoss
	}
	function := functionOf(location)
	switch {
	case packet&packetBadSum != 0:
		return ClassLoss
	case packet&packetEnding != 0:
		// The kernel reads an acknowledgement or a FIN, answers it and frees it.
		return ClassCleanup
	case receivesTCP[function] && packet&packetOpens != 0 && reason == "":
		return ClassRefused // nobody waits for it
	case receivesTCP[function]:
		// It is for a connection that is in TIME_WAIT or gone, or asks again for one that is answered. One that a full
		// listener had no room for looks the same.
		return ClassCleanup
	}
	if known, ok := locations[function]; ok {
		return known.Class
	}
	return ClassLoss
}
