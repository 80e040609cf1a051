// Package connection reports TCP connections: opened, failed and closed, at both ends.
//
// The object is bpf/connection.bpf.c. The process of an event is the socket's owner: whoever called connect, and for
// an accepted connection the process that listens (kerntap.attribution says so).
package connection

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kerntap/kerntap/internal/bpf"
)

//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Wno-unused-parameter -Wpadded -Werror" connection ../../../../bpf/connection.bpf.c -- -I../../../../bpf/include

// Name is the program's name and the type of its events.
const Name = "connection"

// Config is what the key programs.connection configures.
type Config struct {
	// Records are the outcomes that are sent as log records: opened, failed, closed, listen_dropped, and of UDP udp_opened
	// and udp_failed. Counters count all of them.
	Records []string `yaml:"records"`
}

// The records of UDP, which are off by default: every resolver connects UDP sockets.
const (
	udpOpened = "udp_opened"
	udpFailed = "udp_failed"
)

// DefaultConfig sends failures, ends, and what listeners dropped: an opened connection is told again when it closes.
func DefaultConfig() Config {
	return Config{Records: []string{OutcomeFailed.String(), OutcomeClosed.String(), OutcomeListenDropped.String()}}
}

// Validate returns an error of one line that names the key at fault.
func (c Config) Validate() error {
	known := []string{
		OutcomeOpened.String(), OutcomeFailed.String(), OutcomeClosed.String(), OutcomeListenDropped.String(), udpOpened, udpFailed,
	}
	for _, record := range c.Records {
		if !slices.Contains(known, record) {
			return fmt.Errorf("programs.%s.records: %q is not one of %s", Name, record, strings.Join(known, ", "))
		}
	}
	return nil
}

// NewProgram returns the program with its default configuration.
func NewProgram(storage bpf.EventStorage, options ...bpf.Option) *bpf.Program {
	return newProgram(DefaultConfig(), newHooks(), storage, options...)
}

// New returns the program as settings configure it. It fails on settings that Config does not know or allow.
func New(settings bpf.Settings, storage bpf.EventStorage, options ...bpf.Option) (*bpf.Program, error) {
	config, err := read(settings)
	if err != nil {
		return nil, err
	}
	return newProgram(config, newHooks(), storage, options...), nil
}

// read returns the configuration that settings make of the default one.
func read(settings bpf.Settings) (Config, error) {
	config := DefaultConfig()
	if err := settings.Decode(&config); err != nil {
		return config, err
	}
	return config, config.Validate()
}

func newProgram(config Config, h hooks, storage bpf.EventStorage, options ...bpf.Option) *bpf.Program {
	var d decoder
	d.follow(config)
	return bpf.NewProgram(bpf.Spec{
		Name:        Name,
		Description: "TCP connections opened, failed and closed, and UDP's connects, with the process that owns them",
		ObjectPath:  "bpf/connection.bpf.c",
		Object:      loadConnection,
		Prepare:     h.choose,
		Retune: func(settings bpf.Settings) (bpf.Knobs, error) {
			changed, err := read(settings)
			if err != nil {
				return nil, err
			}
			d.follow(changed)
			return nil, nil
		},
		Decode:     d.decode,
		Row:        row,
		Kind:       kindRow,
		SpillKind:  spillRow,
		Reductions: h.reductions,
		Refining:   refined,
	}, storage, options...)
}
