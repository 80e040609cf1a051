// Package tcp_trouble reports what befalls TCP connections: segments that are sent again, and resets.
//
// The object is bpf/tcp_trouble.bpf.c. A queue of a listener that is full and a receive buffer that is full are packet
// drops, and are reported as such.
package tcp_trouble

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/kernel"
)

//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Wno-unused-parameter -Wpadded -Werror" tcpTrouble ../../../../bpf/tcp_trouble.bpf.c -- -I../../../../bpf/include

// Name is the program's name and the type of its events.
const Name = "tcp_trouble"

// kindsKnob is the variable of the object that says which kinds anybody wants a record of.
const kindsKnob = "kinds_recorded"

// Config is what the key programs.tcp_trouble configures.
type Config struct {
	// Records are the kinds that are sent as log records: retransmit, reset_sent, reset_received. Counters count all.
	Records []string `yaml:"records"`
}

// DefaultConfig leaves out resets: many a healthy client ends its connections with one, and one that answers a connect is
// told as a connection that failed.
func DefaultConfig() Config { return Config{Records: []string{Retransmit.String()}} }

// Validate returns an error of one line that names the key at fault.
func (c Config) Validate() error {
	for _, record := range c.Records {
		if !slices.Contains(kindNames[:], record) {
			return fmt.Errorf("programs.%s.records: %q is not one of %s", Name, record, strings.Join(kindNames[:], ", "))
		}
	}
	return nil
}

// recorded says to the program which kinds anybody wants a record of.
func (c Config) recorded() (kinds [4]uint8) {
	for i, name := range kindNames {
		if slices.Contains(c.Records, name) {
			kinds[i] = 1
		}
	}
	return kinds
}

// New returns the program as settings configure it. It fails on settings that Config does not know or allow.
func New(settings bpf.Settings, storage bpf.EventStorage, options ...bpf.Option) (*bpf.Program, error) {
	config, err := read(settings)
	if err != nil {
		return nil, err
	}
	return newProgram(config, storage, options...), nil
}

// NewProgram returns the program with a configuration.
func NewProgram(config Config, storage bpf.EventStorage, options ...bpf.Option) *bpf.Program {
	return newProgram(config, storage, options...)
}

// read returns the configuration that settings make of the default one.
func read(settings bpf.Settings) (Config, error) {
	config := DefaultConfig()
	if err := settings.Decode(&config); err != nil {
		return config, err
	}
	return config, config.Validate()
}

func newProgram(config Config, storage bpf.EventStorage, options ...bpf.Option) *bpf.Program {
	d := decoder{reasons: new(atomic.Pointer[kernel.Enum])}
	return bpf.NewProgram(bpf.Spec{
		Name:        Name,
		Description: "TCP segments sent again, resets sent and received",
		ObjectPath:  "bpf/tcp_trouble.bpf.c",
		Object:      loadTcpTrouble,
		Prepare: func(spec *ebpf.CollectionSpec, _ *bpf.Session, _ *slog.Logger) error {
			return d.learn(config, spec)
		},
		Retune: func(settings bpf.Settings) (bpf.Knobs, error) {
			changed, err := read(settings)
			if err != nil {
				return nil, err
			}
			return bpf.Knobs{kindsKnob: changed.recorded()}, nil
		},
		Decode:     d.decode,
		Row:        d.row,
		Kind:       kindRow,
		Reductions: func(*bpf.Session) []kernel.Reduction { return []kernel.Reduction{kernel.ResetReasons} },
	}, storage, options...)
}

// learn finds out what the running kernel says of a reset, and sets the object's knobs accordingly.
func (d *decoder) learn(config Config, spec *ebpf.CollectionSpec) error {
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return fmt.Errorf("read the kernel's BTF: %w", err)
	}
	reasons, err := kernel.LoadEnum(types, "sk_rst_reason", "SK_RST_REASON_")
	if err != nil && !errors.Is(err, kernel.ErrNoEnum) {
		return err
	}
	d.reasons.Store(&reasons)
	knobs := bpf.Knobs{kindsKnob: config.recorded()}
	for knob, tracepoint := range map[string]string{
		"send_reset_args": "tcp_send_reset", "retransmit_args": "tcp_retransmit_skb",
	} {
		arguments, err := kernel.RawTracepointArgs(types, tracepoint)
		if err != nil {
			return err
		}
		knobs[knob] = uint32(arguments)
	}
	for name, value := range knobs {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// maxReasons is REASONS in bpf/tcp_trouble.bpf.c.
const maxReasons = 64

// kindRow is the key of the row that tcp_trouble_kind in bpf/tcp_trouble.bpf.c made this kind of.
func kindRow(kind uint32) []byte {
	wire := tcpTroubleTcpTroubleRow{Reason: kind % maxReasons, Kind: uint8(kind / maxReasons)}
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&wire)), unsafe.Sizeof(wire))...)
}
