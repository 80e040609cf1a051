// Package config is everything that can be set about kerntap in one struct: its defaults, and what a YAML file, the
// environment and flags make of them.
//
// Laws: flags win over the environment, the environment over the file, the file over the defaults. What is wrong is
// refused at start, wherever it stands and even if something else overrides it, with one line that says what, where
// and what would be right. Every option stands once, in options.go. Nothing here reads the environment or keeps state.
package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kerntap/kerntap/internal/filter"
)

// Config is everything that can be set. Load fills it; a consumer takes it as it is.
type Config struct {
	// Listen is where the local API listens: host:port or unix:///path, and "" for no API.
	Listen string
	// ProbeListen is where liveness, readiness and metrics alone are served, in the form of Listen.
	ProbeListen string
	// Console is what is printed on standard output: text (for people), json (OTLP), or "" for nothing.
	Console string
	// OTLP is the way to collectors.
	OTLP OTLP
	// MetricInterval is the time between two exports of metrics.
	MetricInterval time.Duration
	// LogLevel is the least severe level of kerntap's own diagnostics: debug, info, warn or error.
	LogLevel string
	// ServiceName is kerntap's own service.name.
	ServiceName string
	// ResourceAttributes are added to kerntap's own resource. service.name is not among them.
	ResourceAttributes map[string]string
	// Disabled tells that OTEL_SDK_DISABLED switches all telemetry off.
	Disabled bool
	// Throttle bounds the records, Ledger is how what they are samples of is counted.
	Throttle Throttle
	Ledger   Ledger
	// MetricAttributes are what metrics tell apart beside the command.
	MetricAttributes []string
	// Storage bounds what is kept for the local API.
	Storage Storage
	// Scope is what to watch: host for every network namespace, netns for kerntap's own alone.
	Scope string
	// SyncFailures is how connects that end at once are seen: auto, syscalls or off.
	SyncFailures string
	// ServiceNames has the environment of workloads read for their service names.
	ServiceNames bool
	// Programs has an entry for every known program.
	Programs map[string]Program
	// Filters are what of that is wanted, by command, port and address.
	Filters filter.Rules
}

// Storage bounds what is kept for the local API.
type Storage struct {
	// Records is how many records are kept of each event type.
	Records int
	// Retention is how long a record is kept.
	Retention time.Duration
}

// Default returns the configuration of a kerntap for which nothing is set, with the known programs enabled.
func Default(known ...string) Config {
	c := Config{
		Listen:             "127.0.0.1:4319",
		OTLP:               defaultOTLP(),
		MetricInterval:     10 * time.Second,
		LogLevel:           "info",
		ServiceName:        "kerntap",
		ResourceAttributes: map[string]string{},
		Throttle:           Throttle{Row: 5, Program: 100, First: 200},
		Ledger:             Ledger{Interval: time.Second, Memory: 32 * mebibyte},
		Storage:            Storage{Records: 10_000, Retention: time.Hour},
		Scope:              "host",
		SyncFailures:       "auto",
		Programs:           make(map[string]Program, len(known)),
	}
	for _, name := range known {
		c.Programs[name] = Program{Enabled: true, name: name}
	}
	return c
}

// Enabled returns the names of the enabled programs, sorted.
func (c *Config) Enabled() []string {
	names := slices.Sorted(maps.Keys(c.Programs))
	return slices.DeleteFunc(names, func(name string) bool { return !c.Programs[name].Enabled })
}

// Validate returns the first thing that is wrong with the values, however they got there, and nil if all are right.
// What Load returns is valid.
func (c *Config) Validate() error {
	for _, option := range options() {
		if option.value.get == nil {
			continue
		}
		scratch := *c
		if err := option.value.set(&scratch, option.value.get(c)); err != nil {
			return fmt.Errorf("%s: %w", option.name(), err)
		}
	}
	if c.Listen != "" && c.Listen == c.ProbeListen && !anyPort(c.Listen) {
		return fmt.Errorf("listen and probe_listen are both %q: give each its own, or leave probe_listen out (the API "+
			"serves the probes too)", c.Listen)
	}
	for _, signal := range []func() (Signal, error){c.LogSignal, c.MetricSignal} {
		if _, err := signal(); err != nil {
			return err
		}
	}
	if len(c.Programs) > 0 && len(c.Enabled()) == 0 {
		return errors.New("no program is enabled: enable at least one of " + list(slices.Sorted(maps.Keys(c.Programs))))
	}
	return nil
}
