package bpf

import (
	"log/slog"

	"github.com/cilium/ebpf"

	"github.com/kerntap/kerntap/internal/kernel"
)

// Spec is all that makes a program: the rest is common to all.
type Spec struct {
	// Name is the program's name and the type of its events.
	Name string
	// Description is one line for people.
	Description string
	// ObjectPath says where the source of the object stands in the tree.
	ObjectPath string
	// Object returns the compiled object, which carries its hooks, its ring (events) and its ledger.
	Object func() (*ebpf.CollectionSpec, error)
	// Prepare, if not nil, fits the object to the kernel and to what the session asks for, before it is loaded. What the
	// program does without it logs.
	Prepare func(*ebpf.CollectionSpec, *Session, *slog.Logger) error
	// Reductions, if not nil, returns what the program gives only where the kernel and the privileges allow it, or the
	// session asks for it. Those that are lost here are told by its status.
	Reductions func(*Session) []kernel.Reduction
	// Refining, if not nil, returns what is lost where the kernel refuses a function that refines what others tell: its
	// hooks are other functions of the kernel. The object is loaded without it then, and Prepare is called again.
	Refining func(function string) kernel.Reduction
	// Retune returns what the knobs are to be under other settings, while the program runs, and makes Decode and Row
	// follow them; on an error nothing changes. It is called while they run. Its knobs are variables of the object that are
	// volatile and not const: the kernel freezes those. Nil says that no setting changes while the program runs.
	Retune func(Settings) (Knobs, error)
	// Decode turns a sample into an event that embeds base. It is called from one goroutine and must not keep sample.
	Decode func(base BaseEvent, sample []byte) (BPFEvent, error)
	// Row makes an event, which embeds tally, of what a row of the ledger has counted. It is called from one goroutine,
	// not that of Decode, and must not keep key, which is the C struct of the row.
	Row func(tally RowTally, key []byte) (BPFEvent, error)
	// Kind returns the key of a row without owner for a kind of the ledger's overflow, SpillKind for one of the
	// distributions' spill.
	Kind, SpillKind func(kind uint32) []byte
	// Counts tells whether what a process row of this kind and place counts adds to summaries; nil says that all do.
	Counts func(kind uint32, place uint64) bool
}

// Settings are what the configuration says about one program.
type Settings interface {
	// Decode fills a struct that already holds the defaults. It fails on a key that the struct does not have.
	Decode(into any) error
}
