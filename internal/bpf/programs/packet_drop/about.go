package packet_drop

import (
	"slices"
	"strconv"
)

// What is to be done about a reason, REASON_… in bpf/packet_drop.bpf.c.
const (
	reasonUnrecorded = 1 << iota
	reasonUnrecordedEnding
	reasonUnrecordedBare
	reasonAsksPacket
	reasonExcluded
)

// about says to the program what is to be done about each reason: which drops nobody wants to hear of at all, and which
// nobody wants a record of, those of class clean-up, unless they are asked for. What of those without a reason is
// clean-up is told by the packet and by the place, which the program does not know: it records them, and their class
// keeps them out of what is exported.
func about(config Config, names reasonNames) (reasons [reasonCount]uint8) {
	for number := range reasons {
		reason := reasonOfNumber(uint32(number))
		name := reasonName(names, reason)
		if asksPacket(name) {
			reasons[number] |= reasonAsksPacket
		}
		if config.excludes(name, reason) {
			reasons[number] |= reasonExcluded
		}
		for packet, unrecorded := range map[packetMeaning]uint8{
			0: reasonUnrecorded, packetEnding: reasonUnrecordedEnding, packetBare: reasonUnrecordedBare,
		} {
			if config.unwanted(classify(name, "", packet)) {
				reasons[number] |= unrecorded
			}
		}
	}
	return reasons
}

// excludes tells whether a reason is excluded by its name or its number.
func (c Config) excludes(name string, reason uint32) bool {
	return reason != 0 && (slices.Contains(c.Exclude, name) ||
		slices.Contains(c.Exclude, strconv.FormatUint(uint64(reason), 10)))
}

// unwanted tells whether nobody wants records of a class, not even for the local API: clean-up would push what matters
// out of the storage.
func (c Config) unwanted(class Class) bool {
	return class == ClassCleanup && !slices.Contains(c.Records, string(class))
}

// The numbers by which the program knows reasons, REASONS_CORE and its neighbours in bpf/packet_drop.bpf.c: those of the
// core as they are, those of subsystems behind them.
const (
	coreReasons      = 512
	subsystems       = 8
	subsystemReasons = 64
	reasonCount      = coreReasons + subsystems*subsystemReasons
)

// reasonOfNumber is the reason that packet_drop_number in bpf/packet_drop.bpf.c made this number of.
func reasonOfNumber(number uint32) uint32 {
	if number < coreReasons {
		return number
	}
	number -= coreReasons
	return number/subsystemReasons<<16 | number%subsystemReasons
}
