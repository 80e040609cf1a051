package bpf

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
)

// eventsMap is the ring of samples that every object declares.
const eventsMap = "events"

// object is a collection in the kernel, its hooks and the reader of its ring.
type object struct {
	collection *ebpf.Collection
	reader     *ringbuf.Reader
	ledger     *ledger
	iterators  iterators

	shrunk bool // its maps are smaller than they should be

	mu    sync.Mutex // a reader that fails detaches, perhaps while the program stops
	links []link.Link
	hooks []Hook
}

// loadObject verifies an object and brings it into the kernel. On failure nothing stays behind.
func loadObject(session *Session, spec *ebpf.CollectionSpec) (*object, error) {
	if err := session.setKnobs(spec); err != nil {
		return nil, err
	}
	session.RowsBy.shorten(spec)
	shrunk, err := session.sizeMaps(spec)
	if err != nil {
		return nil, err
	}
	shared, err := session.replacements(spec)
	if err != nil {
		return nil, err
	}
	hooks := hooksOf(spec)
	collection, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: shared})
	if err != nil {
		return nil, refusedBy(verifierWords(err), spec)
	}
	o := &object{collection: collection, hooks: hooks, shrunk: shrunk, iterators: newIterators(spec, collection)}
	if collection.Maps[eventsMap] == nil || collection.Maps[outcomesMap] == nil {
		o.close()
		return nil, fmt.Errorf("object lacks map %s or %s", eventsMap, outcomesMap)
	}
	if o.ledger, err = newLedger(session, collection); err != nil {
		o.close()
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	if o.reader, err = ringbuf.NewReader(collection.Maps[eventsMap]); err != nil {
		o.close()
		return nil, fmt.Errorf("open ring: %w", err)
	}
	// What the barrier consists of takes privileges to make, and they are dropped before the first drain.
	if err := session.awaitPrograms(); err != nil {
		o.close()
		return nil, fmt.Errorf("wait for programs: %w", err)
	}
	return o, nil
}

// hooksOf lists an object's hooks: its sections name them.
func hooksOf(spec *ebpf.CollectionSpec) []Hook {
	var hooks []Hook
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		if isIterator(spec.Programs[name]) {
			continue
		}
		hooks = append(hooks, Hook{Program: name, Name: spec.Programs[name].SectionName})
	}
	return hooks
}

// verifierWords appends the verifier's last lines to an error: they say which instruction was refused and why.
func verifierWords(err error) error {
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		return fmt.Errorf("%w (verifier: %-3v)", err, refused)
	}
	return err
}

// attach connects every function of the object to its hook, then walks what is older than that. On failure nothing
// stays attached; it is a refusedError if the program can do without.
func (o *object) attach() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.hooks {
		hook := &o.hooks[i]
		l, err := attachHook(hook.Name, o.collection.Programs[hook.Program])
		if err != nil {
			hook.Reason = err.Error()
			if refines(hook.Name) {
				err = refusedError{*hook, err}
			}
			return errors.Join(fmt.Errorf("attach %s to %s: %w", hook.Program, hook.Name, err), o.detachLocked())
		}
		o.links = append(o.links, l)
		hook.Attached = true
	}
	if err := o.iterators.start(); err != nil {
		return errors.Join(err, o.detachLocked())
	}
	return nil
}

// attachHook connects a function to the hook that its section names.
func attachHook(section string, program *ebpf.Program) (link.Link, error) {
	name, classic := strings.CutPrefix(section, "tracepoint/")
	if !classic {
		return link.AttachTracing(link.TracingOptions{Program: program})
	}
	group, name, _ := strings.Cut(name, "/")
	return link.Tracepoint(group, name, program, nil)
}

// detach disconnects the hooks in reverse order; what is in the ring stays there.
func (o *object) detach() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.detachLocked()
}

func (o *object) detachLocked() error {
	var errs []error
	for _, l := range slices.Backward(o.links) {
		if err := l.Close(); err != nil {
			errs = append(errs, fmt.Errorf("detach: %w", err))
		}
	}
	o.links = nil
	for i := range o.hooks {
		o.hooks[i].Attached = false
	}
	return errors.Join(errs...)
}

// currentHooks returns a copy of the hooks as they are now.
func (o *object) currentHooks() []Hook {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.hooks)
}

// close detaches and releases everything.
func (o *object) close() error {
	errs := []error{o.detach(), o.iterators.close()}
	if o.reader != nil {
		errs = append(errs, o.reader.Close())
	}
	o.collection.Close()
	return errors.Join(errs...)
}

// count reads the kernel's side of the ledger into stats, and leaves what user space has counted.
func (o *object) count(stats *Stats) error {
	outcomes, err := o.ledger.readOutcomes()
	if err != nil {
		return err
	}
	var missed uint64
	for name, program := range o.collection.Programs {
		run, err := program.Stats()
		if err != nil {
			return fmt.Errorf("read statistics of %s: %w", name, err)
		}
		missed += run.RecursionMisses
	}
	stats.Recorded, stats.Throttled, stats.Counted, stats.Lost = outcomes.Recorded, outcomes.Throttled, outcomes.Counted, outcomes.Lost
	stats.Filtered, stats.Unattributed, stats.Unowned = outcomes.Filtered, outcomes.Unattributed, outcomes.Unowned
	stats.Overflowed, stats.Spilled = outcomes.Overflowed, outcomes.Spilled
	stats.Missed = missed
	stats.Seen = stats.Recorded + stats.Throttled + stats.Counted + stats.Lost + stats.Filtered + stats.Missed
	return nil
}

// mapBytes returns the kernel memory of the object's maps, as far as the kernel tells.
func (o *object) mapBytes() uint64 {
	var total uint64
	for _, m := range o.collection.Maps {
		if info, err := m.Info(); err == nil {
			if bytes, ok := info.Memlock(); ok {
				total += bytes
			}
		}
	}
	return total
}
