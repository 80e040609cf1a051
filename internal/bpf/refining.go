package bpf

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
)

// refines tells whether a hook adds to what BTF tracepoints tell: nothing essential rests on functions of the kernel, nor
// on tracefs.
func refines(section string) bool {
	return strings.HasPrefix(section, "fentry/") || strings.HasPrefix(section, "fexit/") ||
		strings.HasPrefix(section, "tracepoint/")
}

// refusedError is why the kernel refused a hook that refines what the others tell: a function of another signature, most
// likely.
type refusedError struct {
	hook Hook
	err  error
}

func (e refusedError) Error() string { return e.err.Error() }
func (e refusedError) Unwrap() error { return e.err }

// refusedBy finds in the error of a collection which function the kernel refused, and makes it a refusedError if that
// refines. The library tells the function by the beginning of its words alone.
func refusedBy(err error, spec *ebpf.CollectionSpec) error {
	for name, program := range spec.Programs {
		if refines(program.SectionName) && strings.HasPrefix(err.Error(), "program "+name+": ") {
			return refusedError{Hook{Program: name, Name: program.SectionName, Reason: oneLine(err)}, err}
		}
	}
	return err
}

// load loads the object, without the refining hooks that the kernel refuses: what does depend on them has to know.
func (p *Program) load() error {
	for {
		err := p.loadOnce()
		var refused refusedError
		if !errors.As(err, &refused) {
			return err
		}
		p.leaveOut(refused.hook)
	}
}

func (p *Program) loadOnce() error {
	spec, err := p.spec.Object()
	if err != nil {
		return fmt.Errorf("read object: %w", err)
	}
	for _, hook := range p.refused {
		delete(spec.Programs, hook.Program)
	}
	p.setHooks(hooksOf(spec))
	if p.spec.Prepare != nil {
		if err := p.spec.Prepare(spec, p.session, p.log()); err != nil {
			return err
		}
	}
	object, err := loadObject(p.session, spec)
	if err != nil {
		return err
	}
	if object.shrunk {
		p.tellShrunk()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.object, p.maps = object, object.mapBytes()
	return nil
}

// attach attaches the object, and loads it anew without the refining hooks that the kernel refuses.
func (p *Program) attach() error {
	for {
		err := p.object.attach()
		var refused refusedError
		if !errors.As(err, &refused) {
			p.setHooks(p.object.currentHooks())
			return err
		}
		p.leaveOut(refused.hook)
		if err := errors.Join(p.discard(), p.load()); err != nil {
			return err
		}
	}
}

// discard takes a loaded object out of the kernel.
func (p *Program) discard() error {
	p.mu.Lock()
	object := p.object
	p.object = nil
	p.mu.Unlock()
	return object.close()
}

// leaveOut goes on without a hook, and says what is not seen then.
func (p *Program) leaveOut(hook Hook) {
	p.mu.Lock()
	p.refused = append(p.refused, hook)
	p.mu.Unlock()
	if p.spec.Refining == nil {
		return
	}
	lost := p.spec.Refining(hook.Program)
	for _, known := range p.Status().Reductions {
		if known.Name == lost.Name {
			return
		}
	}
	p.reduce(Reduction{Name: lost.Name, Loses: lost.Loses, Remedy: lost.Remedy, Reason: oneLine(errors.New(hook.Reason))})
}
