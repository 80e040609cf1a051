package api

import (
	"net/http"

	"github.com/kerntap/kerntap/internal/bpf"
)

type healthAnswer struct {
	// Status is healthy while every program reads events and the exporter is healthy, and degraded otherwise.
	Status   string          `json:"status"`
	Service  string          `json:"service"`
	Version  string          `json:"version"`
	Programs []Program       `json:"programs"`
	Exporter *ExporterStatus `json:"exporter,omitempty"`
}

// health always answers 200: it is for people and dashboards. Orchestrators ask livez and readyz.
func (s *Server) health(*http.Request) (any, error) {
	programs := s.options.Programs()
	answer := healthAnswer{
		Status:   "healthy",
		Service:  serviceName,
		Version:  s.options.Version,
		Programs: newProgramForms(programs),
	}
	if s.options.Exporter != nil {
		exporter := s.options.Exporter()
		answer.Exporter = &exporter
	}
	if !allRunning(programs) || answer.Exporter != nil && !answer.Exporter.Healthy {
		answer.Status = "degraded"
	}
	return answer, nil
}

// allRunning is false without any program: who watches nothing is not healthy.
func allRunning(programs []bpf.Status) bool {
	for _, p := range programs {
		if p.State != bpf.Running {
			return false
		}
	}
	return len(programs) > 0
}

type ProgramsAnswer struct {
	Programs []Program `json:"programs"`
	Total    int       `json:"total"`
}

func (s *Server) listPrograms(*http.Request) (any, error) {
	forms := newProgramForms(s.options.Programs())
	return ProgramsAnswer{forms, len(forms)}, nil
}
