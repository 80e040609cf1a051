package packet_drop

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Meaning is what a drop means to people.
type Meaning struct {
	// Class says what it means to whoever runs the workload.
	Class Class
	// What says why the kernel dropped the packet, a clause without a full stop.
	What string
	// Look says where to look, "" where nothing is known or to be done.
	Look string
}

// Explain says what a reason means: what is known of it here, or the kernel's own words where nothing is. It takes the
// name with or without SKB_DROP_REASON_, in any case.
func Explain(reason string) (Meaning, bool) {
	reason = strings.TrimPrefix(strings.ToUpper(reason), reasonPrefix)
	if known, ok := meaningOf(reason); ok {
		return known, true
	}
	if _, err := strconv.Atoi(reason); err == nil {
		return Meaning{Class: ClassLoss, What: "the kernel has no name for this reason"}, false
	}
	return Meaning{Class: ClassLoss, What: ownWords(reason)}, false
}

// ExplainLocation says what a drop at a function of the kernel means where the kernel gives no reason.
func ExplainLocation(function string) (Meaning, bool) {
	known, ok := locations[function]
	return known, ok
}

// Reasons returns the names of all reasons that Explain knows, sorted.
func Reasons() []string {
	var names []string
	for _, table := range reasonTables() {
		names = slices.AppendSeq(names, maps.Keys(table))
	}
	slices.Sort(names)
	return names
}

// badSum is about kernels that do not say so.
var badSum = Meaning{ClassLoss, "its checksum is wrong: it was damaged on its way", "nstat -az | grep InCsumErrors; ethtool -S and -k of the interface"}

// reasonTables are the meanings of reasons by layer. No reason is in two of them.
func reasonTables() []map[string]Meaning {
	return []map[string]Meaning{socketReasons, tcpReasons, ipReasons, deviceReasons, subsystemReasonsOf}
}

func meaningOf(reason string) (Meaning, bool) {
	for _, table := range reasonTables() {
		if known, ok := table[reason]; ok {
			return known, true
		}
	}
	return Meaning{}, false
}

// ownWords are a name in the kernel's own words: NEIGH_QUEUEFULL becomes "neigh queuefull".
func ownWords(name string) string {
	return strings.ToLower(strings.ReplaceAll(name, "_", " "))
}

// explained returns the class and the words for a drop.
func explained(reason, location string, packet packetMeaning) Meaning {
	class := classify(reason, location, packet)
	switch {
	case unspecified(reason):
		meaning := unspecifiedMeaning(reason, functionOf(location), packet)
		meaning.Class = class
		return meaning
	case cleanupIfBare[reason] != "" && class == ClassCleanup:
		return Meaning{Class: class, What: cleanupIfBare[reason]}
	}
	if meaning, ok := reasonsByPlace[[2]string{reason, functionOf(location)}]; ok {
		return meaning
	}
	meaning, _ := Explain(reason)
	return meaning
}

// reasonsByPlace are reasons that mean something else at a place.
var reasonsByPlace = map[[2]string]Meaning{
	{"IP_INHDR", "ip_forward"}: {ClassLoss, "its TTL is used up", "a loop of routes: traceroute, ip route get DESTINATION"},
}

// askedAgain is about kernels that have a reason for what nobody waits for.
var askedAgain = Meaning{ClassCleanup, "it asks again for a connection, because the answer before was lost or is slow, or too soon for another on the same ports",
	"the way back to the client: drops there, a firewall"}

// unspecifiedMeaning is about kernels without a reason, or with none for this drop.
func unspecifiedMeaning(reason, function string, packet packetMeaning) Meaning {
	known, ok := locations[function]
	switch {
	case packet&packetBadSum != 0:
		return badSum
	case receivesTCP[function] && packet&packetOpens != 0 && reason == "":
		return socketReasons["NO_SOCKET"]
	case receivesTCP[function] && packet&packetOpens != 0:
		return askedAgain
	case !ok:
		return socketReasons["NOT_SPECIFIED"]
	}
	return known
}
