package bpf

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/cilium/ebpf"

	"github.com/kerntap/kerntap/internal/kernel"
)

// sharedMaps are the maps that all programs of one session use together. Whoever is loaded first creates them.
var sharedMaps = []string{"owners"}

// Session is what the programs of one kerntap share: the clock, kerntap's own process id as the kernel numbers it,
// and the map that says who owns a socket. It is safe for concurrent use.
type Session struct {
	// Log takes state changes and degradations.
	Log *slog.Logger
	// Clock turns kernel timestamps into wall-clock time.
	Clock *kernel.Clock
	// SelfPID is kerntap's process id in the initial pid namespace; 0 while it is not known.
	SelfPID uint32

	mu     sync.Mutex
	shared map[string]*ebpf.Map
}

// NewSession returns a session that has not touched the kernel yet.
func NewSession(log *slog.Logger) *Session {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Session{Log: log, Clock: kernel.NewClock(), shared: make(map[string]*ebpf.Map)}
}

// Close releases the shared maps. Programs that still use them keep them alive in the kernel until they stop.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.shared)) {
		if err := s.shared[name].Close(); err != nil {
			errs = append(errs, fmt.Errorf("close map %s: %w", name, err))
		}
	}
	clear(s.shared)
	return errors.Join(errs...)
}

// replacements returns the shared maps that an object declares, created if they do not exist yet.
func (s *Session) replacements(spec *ebpf.CollectionSpec) (map[string]*ebpf.Map, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := make(map[string]*ebpf.Map)
	for _, name := range sharedMaps {
		mapSpec, ok := spec.Maps[name]
		if !ok {
			continue
		}
		if s.shared[name] == nil {
			m, err := ebpf.NewMap(mapSpec)
			if err != nil {
				return nil, fmt.Errorf("create map %s: %w", name, err)
			}
			s.shared[name] = m
		}
		used[name] = s.shared[name]
	}
	return used, nil
}
