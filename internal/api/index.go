package api

import "net/http"

// serviceName is what /health and the index call this program.
const serviceName = "kerntap"

type indexAnswer struct {
	Service     string `json:"service"`
	Version     string `json:"version"`
	Description string `json:"description"`
	// Endpoints maps "METHOD /path" to what it does.
	Endpoints     map[string]string `json:"endpoints"`
	Documentation map[string]string `json:"documentation"`
}

// index answers what this is and what can be asked. Any method may ask.
func (s *Server) index(*http.Request) (any, error) {
	endpoints := make(map[string]string, len(s.api.routes))
	for path, r := range s.api.routes {
		if r.description != "" {
			endpoints[r.methods.label()+" "+path] = r.description
		}
	}
	return indexAnswer{
		Service:       serviceName,
		Version:       s.options.Version,
		Description:   "Network connections and packet drops of this machine's processes, seen in the kernel with eBPF",
		Endpoints:     endpoints,
		Documentation: map[string]string{"readme": "https://github.com/kerntap/kerntap#readme"},
	}, nil
}
