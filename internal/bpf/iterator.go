package bpf

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// overMap is what iterators are attached to that walk the map of owners.
const overMap = "bpf_map_elem"

// isIterator tells whether a function is no hook but walks what is there.
func isIterator(program *ebpf.ProgramSpec) bool { return program.AttachType == ebpf.AttachTraceIter }

// iterators are an object's functions that walk what is there: open files once, when the hooks are attached, and the
// owners before turns of the ledger.
type iterators struct {
	atStart, atTurns []*ebpf.Program
	owners           *ebpf.Map
	links            []*link.Iter // of atTurns: walking needs no privilege that attaching does
	due              time.Time    // the next walk
}

// A walk meets every bucket of the map of owners and every socket in them. It is given walkShare of one CPU's time: some 4 ms
// are due every second turn, the 10 ms of 10,000 sockets every four seconds, and no walk later than walkRest.
const (
	walkShare = 1. / 400
	walkRest  = 5 * time.Second
)

// rest is how long nothing is walked after a walk that took so long.
func rest(took time.Duration) time.Duration {
	return min(time.Duration(float64(took)/walkShare)-took, walkRest)
}

func newIterators(spec *ebpf.CollectionSpec, collection *ebpf.Collection) iterators {
	found := iterators{owners: collection.Maps[ownersMap]}
	for name, program := range spec.Programs {
		switch {
		case !isIterator(program):
		case program.AttachTo == overMap:
			found.atTurns = append(found.atTurns, collection.Programs[name])
		default:
			found.atStart = append(found.atStart, collection.Programs[name])
		}
	}
	return found
}

// start walks once what is older than the hooks: some 7 ms for the open files of a host with 20,000.
func (i *iterators) start() error {
	for _, program := range i.atStart {
		once, err := link.AttachIter(link.IterOptions{Program: program})
		if err != nil {
			return fmt.Errorf("attach iterator: %w", err)
		}
		if err := errors.Join(walk(once), once.Close()); err != nil {
			return err
		}
	}
	for _, program := range i.atTurns {
		attached, err := link.AttachIter(link.IterOptions{Program: program, Map: i.owners})
		if err != nil {
			return fmt.Errorf("attach iterator: %w", err)
		}
		i.links = append(i.links, attached)
	}
	return nil
}

// turn walks what changes without an event, if that is due.
func (i *iterators) turn() error {
	if time.Now().Before(i.due) {
		return nil
	}
	return i.walk()
}

// walk walks in any case.
func (i *iterators) walk() error {
	var errs []error
	began := time.Now()
	for _, attached := range i.links {
		errs = append(errs, walk(attached))
	}
	ended := time.Now()
	i.due = ended.Add(rest(ended.Sub(began)))
	return errors.Join(errs...)
}

func (i *iterators) close() error {
	var errs []error
	for _, attached := range i.links {
		errs = append(errs, attached.Close())
	}
	i.links = nil
	return errors.Join(errs...)
}

func walk(attached *link.Iter) error {
	reader, err := attached.Open()
	if err != nil {
		return fmt.Errorf("open iterator: %w", err)
	}
	defer reader.Close()
	if _, err := io.Copy(io.Discard, reader); err != nil {
		return fmt.Errorf("run iterator: %w", err)
	}
	return nil
}
