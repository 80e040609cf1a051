package bpf

import (
	"errors"
	"slices"
	"time"
)

// LoadAll implements BPFManager.
func (m *Manager) LoadAll() error {
	return m.advance(New, Loaded, func(e *entry) error { return e.program.Load() })
}

// AttachAll implements BPFManager.
func (m *Manager) AttachAll() error {
	return m.advance(Loaded, Attached, func(e *entry) error { return e.program.Attach() })
}

// StartAll implements BPFManager.
func (m *Manager) StartAll() error {
	return m.advance(Attached, Running, func(e *entry) error {
		if err := e.program.Start(m.ctx); err != nil {
			return err
		}
		e.done = make(chan struct{})
		m.forwards.Go(func() { m.forward(e) })
		m.log.Info("program started", "program", e.program.GetName())
		return nil
	})
}

// advance moves every program that stands at from one step on. Programs that failed before are left out.
func (m *Manager) advance(from, to State, do func(*entry) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return ErrStopped
	}
	var errs []error
	left := 0
	for _, e := range m.entries {
		if e.err == nil && e.stage == from {
			if err := do(e); err != nil {
				e.err, e.stage = err, Failed
				errs = append(errs, err)
				continue
			}
			e.stage = to
		}
		if e.err == nil {
			left++
		}
	}
	if left == 0 {
		errs = append(errs, ErrNoProgram)
	}
	return errors.Join(errs...)
}

// forward brings one program's events to the aggregated channel until the program's channel is closed. It waits for
// the dispatcher: then the program's own channel fills, its reader drops records and counts them, and its drainer keeps
// tallies for later.
func (m *Manager) forward(e *entry) {
	defer close(e.done)
	for event := range e.program.GetEventChannel() {
		select { // alone it is far cheaper than beside the one below
		case m.events <- event:
			continue
		default:
		}
		select {
		case m.events <- event:
		case <-m.abandon:
			e.giveUp(event)
		}
	}
}

// StopAll implements BPFManager. It gives the dispatcher two seconds to take what the programs had reported; what is
// left then is dropped and counted. It may be called any number of times.
func (m *Manager) StopAll() error {
	m.stopping.Do(func() { m.stopErr = m.stopAll() })
	return m.stopErr
}

// stopAll does not hold the lock while it waits: the API goes on to answer.
func (m *Manager) stopAll() error {
	m.mu.Lock()
	m.stopped = true
	entries := slices.Clone(m.entries)
	m.mu.Unlock()
	patience := time.AfterFunc(drainTime, func() { close(m.abandon) })
	defer patience.Stop()
	var errs []error
	for _, e := range slices.Backward(entries) {
		if err := e.program.Stop(); err != nil {
			errs = append(errs, err)
		}
	}
	m.forwards.Wait()
	m.cancel()
	close(m.events)
	return errors.Join(errs...)
}
