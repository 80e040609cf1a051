package api

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
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

// summary is what both summaries say beside their total.
type summary struct {
	PID      uint32 `json:"pid,omitempty"`
	Command  string `json:"command,omitempty"`
	Duration int    `json:"duration"`
	Message  string `json:"message"`
	*accuracy
}

// accuracy is the JSON form of bpf.Accuracy.
type accuracy struct {
	Since        time.Time `json:"since"`
	Resolution   float64   `json:"resolution_seconds"`
	Unattributed uint64    `json:"unattributed,omitempty"`
}

func (s *Server) summary(q summaryQuestion, eventType string, total int, things string) summary {
	answer := summary{PID: q.pid, Command: q.command, Duration: q.seconds, Message: q.message(total, things)}
	if storage, ok := s.options.Events.(bpf.Accounting); ok {
		a := storage.Accuracy(q.pid, eventType, time.Now().Add(-time.Duration(q.seconds)*time.Second))
		answer.accuracy = &accuracy{a.Since, math.Ceil(a.Resolution.Seconds()*100) / 100, a.Unattributed}
	}
	return answer
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
	return connectionSummaryAnswer{total, s.summary(q, bpf.ConnectionType, total, "connection attempts")}, nil
}

func (s *Server) packetDropSummary(r *http.Request) (any, error) {
	q, err := readSummaryQuestion(r)
	if err != nil {
		return nil, err
	}
	total := s.options.Entry.GetPacketDropSummary(q.pid, q.command, q.seconds)
	return packetDropSummaryAnswer{total, s.summary(q, bpf.PacketDropType, total, "packet drops")}, nil
}
