package bpf

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
)

// barrier waits for BPF programs that run. An update of a map in a map returns only when all of them have ended
// (1ae80cf31938 "bpf: wait for running BPF programs when updating map-in-map", 4.20); these maps serve no other purpose.
type barrier struct {
	mu           sync.Mutex
	outer, inner *ebpf.Map
}

// awaitPrograms returns when every program that was running at the call has ended.
func (s *Session) awaitPrograms() error {
	s.wait.mu.Lock()
	defer s.wait.mu.Unlock()
	if s.wait.outer == nil {
		if err := s.wait.make(); err != nil {
			return err
		}
	}
	return s.wait.outer.Put(uint32(0), s.wait.inner)
}

func (b *barrier) make() error {
	inside := &ebpf.MapSpec{Name: "barrier_in", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	inner, err := ebpf.NewMap(inside)
	if err != nil {
		return fmt.Errorf("create barrier: %w", err)
	}
	outer, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "barrier", Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 1, InnerMap: inside,
	})
	if err != nil {
		return errors.Join(fmt.Errorf("create barrier: %w", err), inner.Close())
	}
	b.outer, b.inner = outer, inner
	return nil
}

func (b *barrier) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.outer == nil {
		return nil
	}
	err := errors.Join(b.outer.Close(), b.inner.Close())
	b.outer, b.inner = nil, nil
	return err
}
