package bpf

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/kerntap/kerntap/internal/kernel"
)

// ownersMap says who owns a socket. All programs of a session use it together; whoever is loaded first creates it.
const ownersMap = "owners"

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
	owners *ebpf.Map // nil until a program that uses it is loaded
}

// NewSession returns a session that has not touched the kernel yet.
func NewSession(log *slog.Logger) *Session {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Session{Log: log, Clock: kernel.NewClock()}
}

// Close releases the shared map. Programs that still use it keep it alive in the kernel until they stop.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owners == nil {
		return nil
	}
	err := s.owners.Close()
	s.owners = nil
	if err != nil {
		return fmt.Errorf("close map %s: %w", ownersMap, err)
	}
	return nil
}

// Disregard marks a socket of kerntap's own that was opened before the programs were loaded: its traffic, and that of
// the connections it accepts, counts as filtered. It is to be called after the programs are loaded; where none of
// them keeps owners it does nothing.
func (s *Session) Disregard(socket syscall.Conn) error {
	s.mu.Lock()
	owners := s.owners
	s.mu.Unlock()
	if owners == nil {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return fmt.Errorf("mark own socket: %w", err)
	}
	var putErr error
	err = raw.Control(func(fd uintptr) {
		putErr = owners.Put(int32(fd), wireSocketOwner{Owner: WireOwner{PID: s.SelfPID}, Own: 1})
	})
	if err = errors.Join(err, putErr); err != nil {
		return fmt.Errorf("mark own socket: %w", err)
	}
	return nil
}

// replacements returns the shared map, created if it does not exist yet, if an object declares it.
func (s *Session) replacements(spec *ebpf.CollectionSpec) (map[string]*ebpf.Map, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mapSpec, ok := spec.Maps[ownersMap]
	if !ok {
		return nil, nil
	}
	if s.owners == nil {
		owners, err := ebpf.NewMap(mapSpec)
		if err != nil {
			return nil, fmt.Errorf("create map %s: %w", ownersMap, err)
		}
		s.owners = owners
	}
	return map[string]*ebpf.Map{ownersMap: s.owners}, nil
}
