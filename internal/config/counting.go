package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Throttle bounds the records of one program between two drains of its ledger; 0 is no limit.
type Throttle struct {
	// Row is the most of one row of the ledger, Program of the whole program, First of rows that emit their first.
	Row, Program, First uint32
}

// Ledger is how programs count in the kernel.
type Ledger struct {
	// Interval is the time between two drains: the resolution of counts and summaries.
	Interval time.Duration
	// Memory bounds all maps in the kernel, in bytes.
	Memory uint64
}

// metricAttributes are what metrics tell apart only if asked to: each multiplies the series.
func metricAttributes() []string {
	return []string{"container.id", "k8s.pod.uid", "server.port", "network.interface.name", "process.executable.name"}
}

// counting is what is counted, in how much memory, and how much of it is told in full.
func counting() []Option {
	return []Option{{
		Key: "throttle.row", Flag: "throttle-row", Env: "KERNTAP_THROTTLE_ROW",
		Help:  "most records a second of one kind (a row of the ledger), or off",
		value: bind(func(c *Config) *uint32 { return &c.Throttle.Row }, parseLimit, formatLimit),
	}, {
		Key: "throttle.program", Flag: "throttle-program", Env: "KERNTAP_THROTTLE_PROGRAM",
		Help:  "most records a second of one program, or off",
		value: bind(func(c *Config) *uint32 { return &c.Throttle.Program }, parseLimit, formatLimit),
	}, {
		Key: "throttle.first", Flag: "throttle-first", Env: "KERNTAP_THROTTLE_FIRST",
		Help:  "most kinds a second whose first record comes in any case, or off",
		value: bind(func(c *Config) *uint32 { return &c.Throttle.First }, parseLimit, formatLimit),
	}, {
		Key: "ledger.interval", Env: "KERNTAP_LEDGER_INTERVAL",
		Help:  "time between two drains of the counts in the kernel, 100ms to 1m; the throttle's second is that long",
		value: bind(func(c *Config) *time.Duration { return &c.Ledger.Interval }, parseLedgerInterval, formatDuration),
	}, {
		Key: "ledger.memory", Env: "KERNTAP_LEDGER_MEMORY",
		Help:  "most memory of all maps in the kernel, 8MiB to 1GiB; what grows with the number of sockets comes on top",
		value: bind(func(c *Config) *uint64 { return &c.Ledger.Memory }, parseMemory, formatMemory),
	}, {
		Key: "metrics.attributes", Env: "KERNTAP_METRICS_ATTRIBUTES", list: true,
		Help: "what metrics tell apart beside the command, separated by commas: " + strings.Join(metricAttributes(), ", ") +
			"; each multiplies the series",
		value: bind(func(c *Config) *[]string { return &c.MetricAttributes }, parseMetricAttributes,
			func(names []string) string { return strings.Join(names, ",") }),
	}}
}

const limitOff = "off"

func parseLimit(text string) (uint32, error) {
	if text == limitOff {
		return 0, nil
	}
	const most = 1_000_000
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 || n > most {
		return 0, fmt.Errorf("%q is not a whole number from 1 to %d, or %s (example: 5)", text, most, limitOff)
	}
	return uint32(n), nil
}

func formatLimit(n uint32) string {
	if n == 0 {
		return limitOff
	}
	return strconv.FormatUint(uint64(n), 10)
}

func parseLedgerInterval(text string) (time.Duration, error) {
	return parseDuration(text, "1s", 100*time.Millisecond, time.Minute)
}

const mebibyte = 1 << 20

func parseMemory(text string) (uint64, error) {
	const least, most = 8, 1024
	number, unit := strings.CutSuffix(text, "MiB")
	scale := uint64(1)
	if !unit {
		number, unit = strings.CutSuffix(text, "GiB")
		scale = 1024
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || !unit {
		return 0, fmt.Errorf("%q is not a size in MiB or GiB (example: 32MiB)", text)
	}
	if n *= scale; n < least || n > most {
		return 0, fmt.Errorf("%q is not between %dMiB and %dMiB", text, least, most)
	}
	return n * mebibyte, nil
}

func formatMemory(bytes uint64) string { return strconv.FormatUint(bytes/mebibyte, 10) + "MiB" }

func parseMetricAttributes(text string) ([]string, error) {
	var names []string
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		switch {
		case name == "":
			continue
		case !slices.Contains(metricAttributes(), name):
			return nil, fmt.Errorf("%q is not one of %s", name, list(metricAttributes()))
		case slices.Contains(names, name):
			return nil, errors.New(name + " is named twice")
		}
		names = append(names, name)
	}
	return names, nil
}
