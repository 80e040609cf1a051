package api

import (
	"fmt"
	"net/http"

	"github.com/kerntap/kerntap/internal/bpf"
)

type listRequest struct {
	PID   *whole `json:"pid"`
	Limit *whole `json:"limit"`
}

// readSelection reads a list's question, from the query of a GET and from the body of a POST.
func readSelection(r *http.Request) (selection, error) {
	if r.Method == http.MethodPost {
		var request listRequest
		if err := readBody(r, &request); err != nil {
			return selection{}, err
		}
		return newSelection(request.PID, request.Limit)
	}
	values, err := readQuery(r)
	if err != nil {
		return selection{}, err
	}
	return querySelection(values)
}

// page is the part of what is kept that an answer lists: of each pid that was asked for, the most recent records up
// to the limit, oldest first.
type page[T any] struct {
	byPID map[uint32][]T
	// pids counts the pids that match, records what the page holds.
	pids, records int
	truncated     bool
}

func newPage[T any](all map[uint32][]T, s selection) page[T] {
	p := page[T]{byPID: make(map[uint32][]T)}
	for pid, records := range all {
		if !s.matches(pid) {
			continue
		}
		p.pids++
		if surplus := len(records) - s.limit; surplus > 0 {
			records = records[surplus:]
			p.truncated = true
		}
		if len(records) > 0 {
			p.byPID[pid] = records
			p.records += len(records)
		}
	}
	return p
}

type connectionsAnswer struct {
	TotalPIDs   int                             `json:"total_pids"`
	Connections map[uint32][]bpf.ConnectionInfo `json:"connections"`
	Truncated   bool                            `json:"truncated"`
	Message     string                          `json:"message"`
}

type packetDropsAnswer struct {
	TotalPIDs int                             `json:"total_pids"`
	Drops     map[uint32][]bpf.PacketDropInfo `json:"drops"`
	Truncated bool                            `json:"truncated"`
	Message   string                          `json:"message"`
}

func (s *Server) listConnections(r *http.Request) (any, error) {
	asked, err := readSelection(r)
	if err != nil {
		return nil, err
	}
	p := newPage(s.options.Entry.GetAllConnections(), asked)
	return connectionsAnswer{p.pids, p.byPID, p.truncated, connectionsMessage(p, asked)}, nil
}

// connectionsMessage says that the list is cut only where all pids were asked for: the contract has it so.
func connectionsMessage(p page[bpf.ConnectionInfo], asked selection) string {
	if asked.pid != nil {
		return fmt.Sprintf("Found %d connections for PID %d", p.records, *asked.pid)
	}
	message := fmt.Sprintf("Found %d total connections across %d processes", p.records, p.pids)
	if p.truncated {
		message += " (results truncated due to limit)"
	}
	return message
}

func (s *Server) listPacketDrops(r *http.Request) (any, error) {
	asked, err := readSelection(r)
	if err != nil {
		return nil, err
	}
	p := newPage(s.options.Entry.GetAllPacketDrops(), asked)
	return packetDropsAnswer{p.pids, p.byPID, p.truncated, packetDropsMessage(p, asked)}, nil
}

func packetDropsMessage(p page[bpf.PacketDropInfo], asked selection) string {
	message := fmt.Sprintf("Found %d packet drops across %d processes", p.records, p.pids)
	if asked.pid != nil {
		message = fmt.Sprintf("Found %d packet drops for PID %d", p.records, *asked.pid)
	}
	if p.truncated {
		message += " (results truncated)"
	}
	return message
}
