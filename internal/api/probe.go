package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/kerntap/kerntap/internal/bpf"
)

type probeAnswer struct {
	Status string `json:"status"`
}

// livez answers as long as anything does.
func (s *Server) livez(*http.Request) (any, error) { return probeAnswer{"alive"}, nil }

// readyz answers 200 once every program has settled and one reads events. It never asks the exporter: a sidecar that
// is not ready takes its pod out of service, and a collector that is away is no reason for that.
func (s *Server) readyz(*http.Request) (any, error) {
	if reason := unready(s.options.Programs()); reason != "" {
		return nil, problem{http.StatusServiceUnavailable, reason}
	}
	return probeAnswer{"ready"}, nil
}

// unready returns why kerntap is not ready, and "" when it is. A program has settled when it reads events or has failed.
func unready(programs []bpf.Status) string {
	var failures []string
	for _, p := range programs {
		switch p.State {
		case bpf.Running:
		case bpf.Failed:
			failures = append(failures, fmt.Sprintf("%s: %s", p.Name, p.Reason))
		default:
			return fmt.Sprintf("program %s is %s, not running", p.Name, p.State)
		}
	}
	switch {
	case len(programs) == 0:
		return "no program is enabled"
	case len(failures) == len(programs):
		return "no program is running: " + strings.Join(failures, "; ")
	default:
		return ""
	}
}
