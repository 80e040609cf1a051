// Package packet_drop reports packets that the kernel dropped: why, where, and whose they were.
//
// The object is bpf/packet_drop.bpf.c. Reasons are named from the running kernel's BTF; the process is the owner of
// the socket that sent or was to receive the packet, and absent where there is none.
package packet_drop

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/kernel"
)

//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Wno-unused-parameter -Wpadded -Werror" packetDrop ../../../../bpf/packet_drop.bpf.c -- -I../../../../bpf/include

// Name is the program's name and the type of its events.
const Name = "packet_drop"

const (
	tracepoint   = "kfree_skb"
	reasonPrefix = "SKB_DROP_REASON_"
	// reasonsKnob is the variable of the object that says what is to be done about each reason.
	reasonsKnob = "reasons"
)

// reasonPattern is what names and numbers of reasons look like.
var reasonPattern = regexp.MustCompile(`^([A-Z][A-Z0-9_]*|[0-9]+)$`)

// Config is what the key programs.packet_drop configures.
type Config struct {
	// Records are the classes that are sent as log records: loss, refused, cleanup. Counters count all of them.
	Records []string `yaml:"records"`
	// Exclude are reasons, by their name or their number, that nothing is told about: such drops count as filtered.
	Exclude []string `yaml:"exclude"`
}

// DefaultConfig leaves out the clean-up that every healthy connection ends with.
func DefaultConfig() Config {
	return Config{Records: []string{string(ClassLoss), string(ClassRefused)}}
}

// Validate returns an error of one line that names the key at fault.
func (c Config) Validate() error {
	known := []string{string(ClassLoss), string(ClassRefused), string(ClassCleanup)}
	for _, record := range c.Records {
		if !slices.Contains(known, record) {
			return fmt.Errorf("programs.%s.records: %q is not one of %s", Name, record, strings.Join(known, ", "))
		}
	}
	for _, reason := range c.Exclude {
		if !reasonPattern.MatchString(reason) {
			return fmt.Errorf("programs.%s.exclude: %q is not the name of a reason, like NO_SOCKET, or its number", Name, reason)
		}
	}
	return nil
}

// NewProgram returns the program with its default configuration.
func NewProgram(storage bpf.EventStorage, options ...bpf.Option) *bpf.Program {
	return newProgram(DefaultConfig(), storage, options...)
}

// New returns the program as settings configure it. It fails on settings that Config does not know or allow.
func New(settings bpf.Settings, storage bpf.EventStorage, options ...bpf.Option) (*bpf.Program, error) {
	config, err := read(settings)
	if err != nil {
		return nil, err
	}
	return newProgram(config, storage, options...), nil
}

// read returns the configuration that settings make of the default one.
func read(settings bpf.Settings) (Config, error) {
	config := DefaultConfig()
	if err := settings.Decode(&config); err != nil {
		return config, err
	}
	for i, reason := range config.Exclude {
		config.Exclude[i] = strings.TrimPrefix(reason, reasonPrefix)
	}
	return config, config.Validate()
}

func newProgram(config Config, storage bpf.EventStorage, options ...bpf.Option) *bpf.Program {
	current := new(atomic.Pointer[Config])
	current.Store(&config)
	d, t := decoder{causes: causes{config: current}}, teller{causes{config: current}}
	return bpf.NewProgram(bpf.Spec{
		Name:        Name,
		Description: "packets that the kernel dropped, with reason, place and owner",
		ObjectPath:  "bpf/packet_drop.bpf.c",
		Object:      loadPacketDrop,
		Prepare: func(spec *ebpf.CollectionSpec, _ *bpf.Session, log *slog.Logger) error {
			err := t.learn(spec, log)
			d.causes = t.causes
			return err
		},
		Retune: t.retune,
		Decode: d.decode,
		Row:    t.row,
		Kind:   kindRow,
		Counts: t.counts,
		Reductions: func(*bpf.Session) []kernel.Reduction {
			return []kernel.Reduction{kernel.DropReasons, kernel.DropLocations, kernel.DropReceivers, kernel.PacketHeaders,
				kernel.ListenOverflows}
		},
	}, storage, options...)
}

// learn finds out what the running kernel gives a drop: how many arguments its tracepoint has, what its reasons are
// called, and, where symbols may be read, what its functions are called. It sets the object's knobs accordingly.
func (c *causes) learn(spec *ebpf.CollectionSpec, log *slog.Logger) error {
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return fmt.Errorf("read the kernel's BTF: %w", err)
	}
	args, err := kernel.RawTracepointArgs(types, tracepoint)
	if err != nil {
		return err
	}
	reasons, err := kernel.LoadReasonNames(types)
	if err != nil && !errors.Is(err, kernel.ErrNoEnum) {
		return err
	}
	c.reasons = reasons
	c.warnOfExcluded(reasons, log)
	for name, value := range map[string]any{
		"tracepoint_args": uint32(args), reasonsKnob: about(*c.config.Load(), c.reasons)} {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	locations, err := kernel.OpenLocations()
	if err != nil {
		log.Info("drops are reported without their location", "reason", err)
		return nil
	}
	c.symbols = locations
	return nil
}

// warnOfExcluded says which of the excluded reasons the kernel has no name for: a misspelt one excludes nothing.
func (c *causes) warnOfExcluded(reasons *kernel.ReasonNames, log *slog.Logger) {
	names := make(map[string]bool)
	for _, name := range reasons.All() {
		names[name] = true
	}
	for _, excluded := range c.config.Load().Exclude {
		if _, err := strconv.Atoi(excluded); err != nil && !names[excluded] {
			log.Warn("the kernel has no drop reason of this name, so that none is excluded by it", "reason", excluded)
		}
	}
}

// retune changes the configuration while the program runs.
func (c *causes) retune(settings bpf.Settings) (bpf.Knobs, error) {
	changed, err := read(settings)
	if err != nil {
		return nil, err
	}
	c.config.Store(&changed)
	return bpf.Knobs{reasonsKnob: about(changed, c.reasons)}, nil
}
