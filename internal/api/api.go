// Package api is kerntap's local HTTP API: what the original contract promised its clients, the truth about every
// program, and the probes of an orchestrator.
//
// The API reads and never changes anything. It knows the contracts of internal/bpf and no program. Every answer is
// JSON (metrics aside); an error is {"error": status text, "message": what is wrong}. What one connection
// may send, and how long it may take, is bounded.
package api

import (
	"log/slog"
	"net/http"

	"github.com/kerntap/kerntap/internal/bpf"
)

// Entry is the part of the original entry points that the API asks.
type Entry interface {
	// GetConnectionSummary counts clients' connection attempts of the last durationSeconds, by pid or by a part of the
	// command name; the other one is zero.
	GetConnectionSummary(pid uint32, command string, durationSeconds int) int
	// GetPacketDropSummary counts packet drops in the same way.
	GetPacketDropSummary(pid uint32, command string, durationSeconds int) int
	// GetAllConnections returns the kept connections by pid, oldest first. The API does not change them.
	GetAllConnections() map[uint32][]bpf.ConnectionInfo
	// GetAllPacketDrops returns the kept packet drops by pid, oldest first. The API does not change them.
	GetAllPacketDrops() map[uint32][]bpf.PacketDropInfo
}

// Events is a storage that can be asked for records, also as they come, and for how complete its answer is.
type Events interface {
	bpf.Querier
	bpf.Covering
	bpf.Following
}

// Options are what a Server asks and says. All functions must be safe for concurrent use and must not block.
type Options struct {
	// Entry answers the original contract, Events the event list. Both are required.
	Entry  Entry
	Events Events
	// Programs returns every enabled program, in the order of registration. It is required.
	Programs func() []bpf.Status
	// Exporter may be nil: then nothing is said about one, and none can degrade the health.
	Exporter func() ExporterStatus
	// Metrics answers /metrics; without it that path does not exist.
	Metrics http.Handler
	Version string
	// Log gets what goes wrong while answering; nil discards it.
	Log *slog.Logger
}

// Server answers the local HTTP API. It keeps no state of its own and may serve several listeners at once.
type Server struct {
	options    Options
	api, probe router
}

// New returns a Server that answers from options.
func New(options Options) *Server {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: options}
	probes := s.probeRoutes()
	s.api = newRouter(options.Log, append(s.apiRoutes(), probes...))
	s.probe = newRouter(options.Log, probes)
	return s
}

// Handler returns the handler of the whole API.
func (s *Server) Handler() http.Handler { return s.api }

// Probe returns a handler for /livez, /readyz and /metrics only, for addresses that others than the workload reach.
func (s *Server) Probe() http.Handler { return s.probe }
