package packet_drop

import (
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/kerntap/kerntap/internal/kernel"
)

// maxCauses bounds the causes that a decoder remembers: more places than a kernel drops packets at.
const maxCauses = 4096

// cause is why and where packets are dropped. Few of them repeat for ever, so they are looked up once.
type cause struct {
	reason   string
	class    Class
	location string // symbol+0xoffset, "" where symbols may not be read
	exported bool
}

type causeKey struct {
	reason   uint32
	location uint64
	packet   packetMeaning
}

// causes names reasons and places from the kernel's tables. It belongs to one goroutine.
type causes struct {
	config  *atomic.Pointer[Config] // changes while the program runs
	reasons kernel.Enum
	symbols *kernel.Symbols
	known   map[causeKey]*cause // under the configuration used
	used    *Config

	lastKey causeKey // storms have one cause
	last    *cause
}

// causeOf names a reason and a place, the first time from the kernel's tables.
func (c *causes) causeOf(key causeKey) *cause {
	if config := c.config.Load(); config != c.used {
		c.used, c.known, c.last = config, nil, nil
	}
	if c.last == nil || key != c.lastKey {
		c.lastKey, c.last = key, c.lookUp(key)
	}
	return c.last
}

func (c *causes) lookUp(key causeKey) *cause {
	if known, ok := c.known[key]; ok {
		return known
	}
	if c.known == nil || len(c.known) >= maxCauses {
		c.known = make(map[causeKey]*cause)
	}
	found := &cause{reason: reasonName(c.reasons, key.reason)}
	if c.symbols != nil {
		found.location, _ = c.symbols.Locate(key.location)
	}
	found.class = classify(found.reason, found.location, key.packet)
	found.exported = slices.Contains(c.used.Records, string(found.class))
	c.known[key] = found
	return found
}

// reasonName is the kernel's own name without its prefix; a value without a name is shown as the number it is, and a
// kernel without reasons gives none.
func reasonName(reasons kernel.Enum, value uint32) string {
	if name, ok := reasons.Name(uint64(value)); ok {
		return name
	}
	if value == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(value), 10)
}

// What is to be done about a reason, REASON_… in bpf/packet_drop.bpf.c.
const (
	reasonUnrecorded = 1 << iota
	reasonUnrecordedEnding
	reasonUnrecordedBare
	reasonAsksPacket
)

// about says to the program what is to be done about each reason: which drops nobody wants a record of, those of class
// clean-up, unless they are asked for. What of those without a reason is clean-up is told by the packet and by the
// place, which the program does not know: it records them, and their class keeps them out of what is exported.
func about(config Config, names kernel.Enum) (reasons [reasonCount]uint8) {
	for number := range reasons {
		name := reasonName(names, reasonOfNumber(uint32(number)))
		if asksPacket(name) {
			reasons[number] |= reasonAsksPacket
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

// unwanted tells whether nobody wants records of a class, not even for the local API: clean-up would push what matters
// out of the storage.
func (c Config) unwanted(class Class) bool {
	return class == ClassCleanup && !slices.Contains(c.Records, string(class))
}
