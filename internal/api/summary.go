package api

import (
	"fmt"
	"net/http"
)

// maxDuration is the longest window of a summary, in seconds.
const maxDuration = 3600

var (
	errDuration    = badRequest("duration must be positive")
	errMaxDuration = badRequest("duration cannot exceed 3600 seconds")
	errBoth        = badRequest("cannot specify both PID and command")
	errNeither     = badRequest("must specify either PID or command")
)

type summaryRequest struct {
	PID     whole  `json:"pid"`
	Command string `json:"command"`
	// ProcessName is another name of Command, used only where that is empty.
	ProcessName string `json:"process_name"`
	Duration    whole  `json:"duration"`
}

// summaryQuestion is a checked request: a pid or a command, and seconds.
type summaryQuestion struct {
	pid     uint32
	command string
	seconds int
}

// question checks a request in the order of the contract: the duration first, then pid and command. A pid of 0 counts
// as none: it is how the original's clients leave it out.
func (r summaryRequest) question() (summaryQuestion, error) {
	if r.Duration <= 0 {
		return summaryQuestion{}, errDuration
	}
	if r.Duration > maxDuration {
		return summaryQuestion{}, errMaxDuration
	}
	pid, err := r.PID.asPID()
	if err != nil {
		return summaryQuestion{}, err
	}
	command := r.Command
	if command == "" {
		command = r.ProcessName
	}
	if pid != 0 && command != "" {
		return summaryQuestion{}, errBoth
	}
	if pid == 0 && command == "" {
		return summaryQuestion{}, errNeither
	}
	return summaryQuestion{pid, command, int(r.Duration)}, nil
}

// message words what was found, things being connection attempts or packet drops.
func (q summaryQuestion) message(total int, things string) string {
	from := fmt.Sprintf("PID %d", q.pid)
	if q.command != "" {
		from = fmt.Sprintf("command '%s'", q.command)
	}
	return fmt.Sprintf("Found %d %s from %s over %d seconds", total, things, from, q.seconds)
}

func (q summaryQuestion) summary(total int, things string) summary {
	return summary{q.pid, q.command, q.seconds, q.message(total, things)}
}

// summary is what both summaries say beside their total.
type summary struct {
	PID      uint32 `json:"pid,omitempty"`
	Command  string `json:"command,omitempty"`
	Duration int    `json:"duration"`
	Message  string `json:"message"`
}

type connectionSummaryAnswer struct {
	Total int `json:"total_attempts"`
	summary
}

type packetDropSummaryAnswer struct {
	Total int `json:"total_drops"`
	summary
}

func readSummaryQuestion(r *http.Request) (summaryQuestion, error) {
	var request summaryRequest
	if err := readBody(r, &request); err != nil {
		return summaryQuestion{}, err
	}
	return request.question()
}

func (s *Server) connectionSummary(r *http.Request) (any, error) {
	q, err := readSummaryQuestion(r)
	if err != nil {
		return nil, err
	}
	total := s.options.Entry.GetConnectionSummary(q.pid, q.command, q.seconds)
	return connectionSummaryAnswer{total, q.summary(total, "connection attempts")}, nil
}

func (s *Server) packetDropSummary(r *http.Request) (any, error) {
	q, err := readSummaryQuestion(r)
	if err != nil {
		return nil, err
	}
	total := s.options.Entry.GetPacketDropSummary(q.pid, q.command, q.seconds)
	return packetDropSummaryAnswer{total, q.summary(total, "packet drops")}, nil
}
