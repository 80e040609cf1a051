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

// A walk meets every bucket of the map of owners and every socket in them: 4 ms where there is hardly one, 10 ms with 10,000
// that have carried something. It takes walkShare of one CPU's time, and more only where walks would be further apart than
// walkRest.
const (
	walkShare = 1. / 400
	walkRest  = 5 * time.Second
)

// apart is how far the beginnings of two walks are to be apart of which the first took so long.
func apart(took time.Duration) time.Duration {
	return min(time.Duration(float64(took)/walkShare), walkRest)
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

// turn walks what changes without an event, if that is due now rather than at the next turn.
func (i *iterators) turn(interval time.Duration) error {
	if time.Until(i.due) > interval/2 {
		return nil
	}
	return i.walk()
}

// hurry makes the next turn walk: there is no room, and some of it may be taken by what a walk gives back.
func (i *iterators) hurry() { i.due = time.Time{} }

// walk walks in any case.
func (i *iterators) walk() error {
	var errs []error
	began := time.Now()
	for _, attached := range i.links {
		errs = append(errs, walk(attached))
	}
	i.due = began.Add(apart(time.Since(began)))
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
