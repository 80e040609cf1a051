package packet_drop

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/kerntap/kerntap/internal/kernel"
)

const (
	// maxCauses bounds the causes that a decoder remembers: more places than a kernel drops packets at.
	maxCauses = 4096
	// moduleLife is how long the name of a place in a module is believed: it may be unloaded, and another be loaded there.
	moduleLife = time.Minute
)

// cause is why and where packets are dropped. Few of them repeat for ever, so they are looked up once.
type cause struct {
	reason   string
	location string // symbol+0xoffset, "" where symbols may not be read
	meaning  Meaning
	exported bool
	until    time.Time // when it is to be looked up again; zero: never
}

type causeKey struct {
	reason   uint32
	location uint64
	packet   packetMeaning
}

// reasonNames names reasons as the kernel does.
type reasonNames interface {
	Name(reason uint32) (string, bool)
}

// locator names places in the kernel's code.
type locator interface {
	Locate(address uint64) (string, bool)
}

// causes names reasons and places from the kernel's tables. It belongs to one goroutine.
type causes struct {
	config  *atomic.Pointer[Config] // changes while the program runs
	reasons reasonNames
	symbols locator
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
	if c.last == nil || key != c.lastKey || c.last.expired() {
		c.lastKey, c.last = key, c.lookUp(key)
	}
	return c.last
}

func (c *cause) expired() bool { return !c.until.IsZero() && time.Now().After(c.until) }

func (c *causes) lookUp(key causeKey) *cause {
	if known, ok := c.known[key]; ok && !known.expired() {
		return known
	}
	if c.known == nil || len(c.known) >= maxCauses {
		c.known = make(map[causeKey]*cause)
	}
	found := &cause{reason: reasonName(c.reasons, key.reason)}
	if c.symbols != nil {
		found.location, _ = c.symbols.Locate(key.location)
	}
	if kernel.InModule(found.location) {
		found.until = time.Now().Add(moduleLife)
	}
	found.meaning = explained(found.reason, found.location, key.packet)
	found.exported = slices.Contains(c.used.Records, string(found.meaning.Class))
	c.known[key] = found
	return found
}

// reasonName is the kernel's own name without its prefix; a value without a name is shown as the number it is, and a
// kernel without reasons gives none.
func reasonName(reasons reasonNames, value uint32) string {
	if reasons != nil {
		if name, ok := reasons.Name(value); ok {
			return name
		}
	}
	if value == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(value), 10)
}
