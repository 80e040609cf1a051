package bpf

import (
	"errors"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
)

// The event types that the original contract's entry points speak of.
const (
	ConnectionType = "connection"
	PacketDropType = "packet_drop"
)

// kernelAvailable tells whether this kernel and these privileges allow a program. It asks for the ring buffer, which
// every program needs: asking for tracing programs is answered with EPERM on kernels where tp_btf programs load.
func kernelAvailable() bool { return features.HaveMapType(ebpf.RingBuf) == nil }

// Loader keeps the entry points of the original contract, as methods of a value that main builds.
type Loader struct {
	manager *Manager
	session *Session
}

// NewLoader returns the entry points over a manager whose programs share session.
func NewLoader(manager *Manager, session *Session) *Loader {
	return &Loader{manager: manager, session: session}
}

// LoadAndAttach loads, attaches and starts every registered program. One that fails is left out; the error joins what
// failed and wraps ErrNoProgram only if nothing runs, in which case nothing stays in the kernel.
func (l *Loader) LoadAndAttach() error {
	var errs []error
	for _, step := range []func() error{l.manager.LoadAll, l.manager.AttachAll, l.manager.StartAll} {
		err := step()
		errs = append(errs, err)
		if errors.Is(err, ErrNoProgram) || errors.Is(err, ErrStopped) {
			break
		}
	}
	return errors.Join(errs...)
}

// TryReading returns nil if every running program can be read, else why not: see Program.TryReading.
func (l *Loader) TryReading() error {
	var errs []error
	for _, name := range l.manager.ListPrograms() {
		program, _ := l.manager.GetProgram(name)
		if readable, ok := program.(interface{ TryReading() error }); ok && program.IsRunning() {
			errs = append(errs, readable.TryReading())
		}
	}
	return errors.Join(errs...)
}

// Cleanup stops every program, closes the aggregated channel and releases what the programs shared.
func (l *Loader) Cleanup() error {
	return errors.Join(l.manager.StopAll(), l.session.Close())
}

// IsAvailable tells whether this kernel and these privileges allow any program at all.
func (l *Loader) IsAvailable() bool { return l.manager.IsAvailable() }

// GetSystemBootTime returns the wall-clock time at which CLOCK_MONOTONIC was zero: the boot, later by the time that
// the system was suspended.
func (l *Loader) GetSystemBootTime() time.Time { return l.session.Clock.BootTime() }

// GetConnectionSummary sums the connection attempts of clients, opened and failed, of the last durationSeconds.
func (l *Loader) GetConnectionSummary(pid uint32, command string, durationSeconds int) int {
	return l.summary(ConnectionType, pid, command, durationSeconds)
}

// GetPacketDropSummary sums the packet drops of the last durationSeconds, ordinary clean-up left out.
func (l *Loader) GetPacketDropSummary(pid uint32, command string, durationSeconds int) int {
	return l.summary(PacketDropType, pid, command, durationSeconds)
}

func (l *Loader) summary(eventType string, pid uint32, command string, durationSeconds int) int {
	program, ok := l.manager.GetProgram(eventType)
	if !ok {
		return 0
	}
	return program.GetSummary(pid, command, durationSeconds)
}

// GetAllConnections returns the kept connection attempts of clients by pid, oldest first.
func (l *Loader) GetAllConnections() map[uint32][]ConnectionInfo {
	return listAll(l.manager, ConnectionType, func(event BPFEvent) (ConnectionInfo, bool) {
		if attempt, ok := event.(ConnectionAttempt); ok {
			return attempt.ConnectionInfo()
		}
		return ConnectionInfo{}, false
	})
}

// GetAllPacketDrops returns the kept packet drops by pid, oldest first; pid 0 stands for drops of no known process.
func (l *Loader) GetAllPacketDrops() map[uint32][]PacketDropInfo {
	return listAll(l.manager, PacketDropType, func(event BPFEvent) (PacketDropInfo, bool) {
		if drop, ok := event.(PacketDrop); ok {
			return drop.PacketDropInfo(), true
		}
		return PacketDropInfo{}, false
	})
}

func listAll[T any](manager *Manager, eventType string, info func(BPFEvent) (T, bool)) map[uint32][]T {
	all := make(map[uint32][]T)
	program, ok := manager.GetProgram(eventType)
	if !ok {
		return all
	}
	for pid, events := range program.GetAllEvents() {
		for _, event := range events {
			if entry, ok := info(event); ok {
				all[pid] = append(all[pid], entry)
			}
		}
	}
	return all
}
