package bpf

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf"

	"github.com/kerntap/kerntap/internal/filter"
	"github.com/kerntap/kerntap/internal/kernel"
	"github.com/kerntap/kerntap/internal/workload"
)

// The maps that all programs of a session use together; whoever is loaded first creates them. owners says who owns a
// socket, cgroups what the cgroups of those owners are called.
const (
	ownersMap  = "owners"
	cgroupsMap = "cgroups"
)

func sharedMaps() []string { return []string{ownersMap, cgroupsMap} }

// What Session.SyncFailures may be.
const (
	// SyncAuto sees connects that end at once where programs can be attached to functions.
	SyncAuto = "auto"
	// SyncSyscalls sees them elsewhere too, by hooks that tax every system call of the host.
	SyncSyscalls = "syscalls"
	// SyncOff does not look for them.
	SyncOff = "off"
)

// Session is what the programs of one kerntap share: the clock, kerntap's own process id as the kernel numbers it,
// and the map that says who owns a socket. It is safe for concurrent use.
type Session struct {
	// Log takes state changes and degradations.
	Log *slog.Logger
	// Clock turns kernel timestamps into wall-clock time.
	Clock *kernel.Clock
	// ScopeNetNS is the inode number of the one network namespace to watch; 0 watches all of them. Once programs are
	// loaded, Tune changes it.
	ScopeNetNS uint32
	// SelfNetNS is kerntap's own network namespace, SelfPorts the TCP ports that it listens on there: what clients on
	// this machine do at those is kerntap's own traffic. Ports of 0 are none.
	SelfNetNS uint32
	SelfPorts [2]uint16
	// SelfPID is kerntap's process id in the initial pid namespace; 0 while it is not known.
	SelfPID uint32
	// DrainEvery is the time between two drains of a program's ledger; 0 means a second. It is the resolution of tallies
	// and the interval that Throttle speaks of.
	DrainEvery time.Duration
	// Throttle bounds the records; the zero Throttle does not. Once programs are loaded, Tune changes it.
	Throttle Throttle
	// RowsBy says what rows tell apart beside the command.
	RowsBy RowsBy
	// SyncFailures says how connects that end at once are seen; "" means SyncAuto.
	SyncFailures string
	// ServiceNames asks for the names of services, which ReadServiceNames begins to read.
	ServiceNames bool
	// MapBytes bounds the memory of one program's maps in the kernel; 0 means 15 MiB. Rows, not records, take what the
	// rest leaves.
	MapBytes uint64
	// LockedBytes is what one program's maps, and those that all share likewise, may take of the memory that this process
	// may lock, in which kernels before 5.11 hold them; 0 is no limit.
	LockedBytes uint64

	mu      sync.Mutex
	shared  map[string]*ebpf.Map // empty until a program that uses them is loaded
	wait    barrier
	wanted  filter.Rules // as Tune has them
	filters filterSets

	services *workload.Services // nil where nobody wants their names, or nobody can read them
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
	for name, shared := range s.shared {
		if err := shared.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close map %s: %w", name, err))
		}
	}
	clear(s.shared)
	if s.services != nil {
		s.services.Close()
		s.services = nil
	}
	return errors.Join(append(errs, s.wait.close())...)
}

// ReadServiceNames begins to read the environment of processes for the names of their services, if that is asked for and /proc
// has the pids that the kernel gives its programs: SelfPID tells. It returns whether it does. Call it before programs start.
func (s *Session) ReadServiceNames() bool {
	if s.services == nil && s.ServiceNames && int(s.SelfPID) == os.Getpid() {
		s.services = workload.NewServices(os.DirFS("/proc"))
	}
	return s.services != nil
}

func (s *Session) interval() time.Duration { return cmp.Or(s.DrainEvery, time.Second) }

// replacements returns those of the shared maps that an object declares, created if they do not exist yet.
func (s *Session) replacements(spec *ebpf.CollectionSpec) (map[string]*ebpf.Map, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := make(map[string]*ebpf.Map)
	for _, name := range sharedMaps() {
		mapSpec, ok := spec.Maps[name]
		if !ok {
			continue
		}
		if s.shared[name] == nil {
			created, err := ebpf.NewMap(mapSpec)
			if err != nil {
				return nil, fmt.Errorf("create map %s: %w", name, err)
			}
			s.shared[name] = created
		}
		used[name] = s.shared[name]
	}
	return used, nil
}

// cgroupNames returns the names of a cgroup and its parents, the innermost first; nil where they are not known.
func (s *Session) cgroupNames(id uint64) []string {
	s.mu.Lock()
	cgroups := s.shared[cgroupsMap]
	s.mu.Unlock()
	var wire wireCgroupNames
	if cgroups == nil || cgroups.Lookup(id, &wire) != nil {
		return nil
	}
	var found []string
	for _, name := range wire.Name {
		found = append(found, text(name[:]))
	}
	return found
}
