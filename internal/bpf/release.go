package bpf

import (
	"errors"
	"os"
	"sync"
)

// startReading starts the two senders of the event channel, and whoever closes it after them.
func (p *Program) startReading(object *object) {
	stop := make(chan struct{})
	p.endDrains = sync.OnceFunc(func() { close(stop) })
	p.started = true
	p.reading.Go(func() { p.readAll(object.reader) })
	p.reading.Go(func() { p.drainAll(object, stop) })
	go func() {
		defer close(p.ended)
		p.reading.Wait()
		close(p.events)
	}()
}

// release undoes everything in reverse, once: hooks first, then what is in the ring is delivered, then the object goes.
func (p *Program) release(last State) error {
	p.mu.Lock()
	if p.state == Stopped || p.released {
		p.mu.Unlock()
		return nil
	}
	p.released = true
	if p.state != Failed {
		p.state = last
	}
	object, unhook := p.object, p.unhook
	p.mu.Unlock()
	if unhook != nil {
		unhook()
	}
	err := p.releaseObject(object)
	if !p.started {
		close(p.events)
	}
	if p.ownSession {
		err = errors.Join(err, p.session.Close())
	}
	return err
}

func (p *Program) releaseObject(object *object) error {
	if object == nil {
		return nil
	}
	err := object.detach()
	p.setHooks(object.currentHooks())
	if flushErr := object.reader.Flush(); flushErr != nil && !errors.Is(flushErr, os.ErrClosed) {
		err = errors.Join(err, flushErr, object.reader.Close())
	}
	if p.started {
		p.endDrains()
		<-p.ended
	}
	p.mu.Lock()
	p.object = nil
	countErr := object.count(&p.stats)
	p.mu.Unlock()
	return errors.Join(err, countErr, object.close())
}
