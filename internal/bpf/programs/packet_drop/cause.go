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
	ending   bool // the packet was for a connection at its end
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
	found.class = classify(found.reason, found.location, key.ending)
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

// reasonCount is REASONS in bpf/packet_drop.bpf.c.
const reasonCount = 512

// unrecorded says to the program which drops nobody wants a record of, by reason: those of class clean-up, unless they
// are asked for. Those without a reason are clean-up only at the end of a connection or at certain places, which the
// program does not know: it records them, and their class keeps them out of what is exported.
func unrecorded(config Config, names kernel.Enum) (reasons [reasonCount]uint8) {
	const always, atTheEnd = 1, 2
	for reason := range reasons {
		name := reasonName(names, uint32(reason))
		switch {
		case config.unwanted(classify(name, "", false)):
			reasons[reason] = always
		case config.unwanted(classify(name, "", true)):
			reasons[reason] = atTheEnd
		}
	}
	return reasons
}

// unwanted tells whether nobody wants records of a class, not even for the local API: clean-up would push what matters
// out of the storage.
func (c Config) unwanted(class Class) bool {
	return class == ClassCleanup && !slices.Contains(c.Records, string(class))
}
