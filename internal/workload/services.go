package workload

import (
	"io/fs"
	"sync"
	"time"
)

const (
	// maxProcesses bounds the processes that are remembered: far more than a host runs at a time.
	maxProcesses = 4096
	// patience is how long whoever asks waits: a thousand times what it takes to read an environment that is in memory.
	patience = 20 * time.Millisecond
)

// Services reads what processes say of themselves in their environment, each once. A process can make that take any time: it is
// done aside, and who asks does not wait for it for long. Safe for concurrent use.
type Services struct {
	proc  fs.FS
	asked chan Process
	ended sync.WaitGroup

	mu    sync.Mutex
	known map[Process]string
	wait  map[Process]chan struct{} // of those that are being read; closed afterwards
}

// NewServices reads from the file system proc, os.DirFS("/proc") but for tests; the memory of processes is this machine's. Close
// ends it.
func NewServices(proc fs.FS) *Services {
	s := &Services{proc: proc, asked: make(chan Process, 1), known: make(map[Process]string), wait: make(map[Process]chan struct{})}
	s.ended.Go(s.serve)
	return s
}

// Close ends the reading. Nobody may ask afterwards. It waits for what is being read, for a little while.
func (s *Services) Close() {
	close(s.asked)
	ended := make(chan struct{})
	go func() {
		s.ended.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(patience):
	}
}

// Name returns the service name that a process has in its environment; "" if it has none, is gone or may not be read, or if that
// takes long, in which case it may be known the next time. It waits for 20 ms at most.
func (s *Services) Name(process Process) string {
	if process.PID == 0 {
		return ""
	}
	s.mu.Lock()
	name, ok := s.known[process]
	reading := s.wait[process]
	if !ok && reading == nil {
		select {
		case s.asked <- process:
			reading = make(chan struct{})
			s.wait[process] = reading
		default: // what is read takes long: others go without
		}
	}
	s.mu.Unlock()
	if ok || reading == nil {
		return name
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-reading:
	case <-timeout.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[process]
}

// serve reads one environment after the other. What failed is tried again when it is asked for again.
func (s *Services) serve() {
	for process := range s.asked {
		name, err := readServiceName(s.proc, process)
		s.mu.Lock()
		if err == nil {
			if len(s.known) >= maxProcesses {
				clear(s.known)
			}
			s.known[process] = name
		}
		close(s.wait[process])
		delete(s.wait, process)
		s.mu.Unlock()
	}
}
