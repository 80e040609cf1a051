package api

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
)

// methods are what a path answers to, and how it refuses the rest. HEAD is answered like GET where a probe or a load
// balancer may send it; the original contract's lists keep to GET and POST.
type methods struct {
	allowed []string
	refusal string
}

var (
	anyMethod  = methods{}
	getOnly    = methods{[]string{http.MethodGet, http.MethodHead}, "Only GET method is allowed"}
	postOnly   = methods{[]string{http.MethodPost}, "Only POST method is allowed"}
	getAndPost = methods{[]string{http.MethodGet, http.MethodPost}, "Only GET and POST methods are allowed"}
)

func (m methods) allow(method string) bool {
	return m.allowed == nil || slices.Contains(m.allowed, method)
}

// label spells the methods as the index does: GET|POST.
func (m methods) label() string {
	shown := slices.DeleteFunc(slices.Clone(m.allowed), func(name string) bool { return name == http.MethodHead })
	return strings.Join(shown, "|")
}

// route is one path of the API. Its description stands in the index.
type route struct {
	path        string
	methods     methods
	description string
	handler     http.Handler
}

func (s *Server) apiRoutes() []route {
	return []route{
		{"/", anyMethod, "", s.json(s.index)},
		{"/health", getOnly, "How each program and the exporter are", s.json(s.health)},
		{"/api/connection-summary", postOnly, "Count the connection attempts of a pid or a command",
			s.json(s.connectionSummary)},
		{"/api/packet-drop-summary", postOnly, "Count the packet drops of a pid or a command",
			s.json(s.packetDropSummary)},
		{"/api/list-connections", getAndPost, "List connections by pid", s.json(s.listConnections)},
		{"/api/list-packet-drops", getAndPost, "List packet drops by pid", s.json(s.listPacketDrops)},
		{"/api/programs", getOnly, "List the programs with their hooks and counters", s.json(s.listPrograms)},
		{"/api/events", getOnly, "List events by type, pid, command and since, newest first", s.json(s.listEvents)},
		{"/api/follow", getOnly, "List events as they came, after the position that was answered last", s.json(s.follow)},
	}
}

func (s *Server) probeRoutes() []route {
	routes := []route{
		{"/livez", getOnly, "Whether kerntap answers", s.json(s.livez)},
		{"/readyz", getOnly, "Whether the programs have settled and one reads events", s.json(s.readyz)},
	}
	if s.options.Metrics != nil {
		routes = append(routes, route{"/metrics", getOnly, "kerntap's own metrics", s.options.Metrics})
	}
	return routes
}

// router finds the route of a path as it was sent. It does not clean paths: a redirect would not be JSON, and
// "/health/" is no path of the contract.
type router struct {
	routes map[string]route
	log    *slog.Logger
}

func newRouter(log *slog.Logger, routes []route) router {
	table := make(map[string]route, len(routes))
	for _, r := range routes {
		table[r.path] = r
	}
	return router{table, log}
}

// ServeHTTP implements http.Handler.
func (t router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, ok := t.routes[r.URL.Path]
	switch {
	case !ok:
		send(w, t.log, http.StatusNotFound, errorForm(http.StatusNotFound, "no such path; / lists what there is"))
	case !found.methods.allow(r.Method):
		w.Header().Set("Allow", strings.Join(found.methods.allowed, ", "))
		send(w, t.log, http.StatusMethodNotAllowed, errorForm(http.StatusMethodNotAllowed, found.methods.refusal))
	default:
		found.handler.ServeHTTP(w, r)
	}
}
