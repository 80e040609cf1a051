package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
)

var errSince = badRequest("Invalid since parameter: give a time (RFC 3339) or how long ago (90s, 5m, 1h)")

// eventQuery is a checked question about events. Zero values match all.
type eventQuery struct {
	selection
	eventType, command string
	since              time.Time
}

func readEventQuery(r *http.Request, now time.Time) (eventQuery, error) {
	values, err := readQuery(r)
	if err != nil {
		return eventQuery{}, err
	}
	q := eventQuery{eventType: values.Get("type"), command: values.Get("command")}
	if q.selection, err = querySelection(values); err != nil {
		return eventQuery{}, err
	}
	q.since, err = querySince(values, now)
	return q, err
}

// querySince returns the zero time for a parameter that is absent or empty.
func querySince(values url.Values, now time.Time) (time.Time, error) {
	text := values.Get("since")
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	// A plus sign that the client did not escape arrives as a space; a time has no space of its own.
	at, err := time.Parse(time.RFC3339, strings.ReplaceAll(text, " ", "+"))
	if err != nil {
		return time.Time{}, errSince
	}
	return at, nil
}

func (q eventQuery) matches(event bpf.BPFEvent) bool {
	return q.selection.matches(event.GetPID()) &&
		(q.eventType == "" || q.eventType == event.GetEventType()) &&
		strings.Contains(strings.ToLower(event.GetCommand()), strings.ToLower(q.command))
}

// from asks the storage the narrowest of its questions that holds the answer.
func (q eventQuery) from(storage Events) ([]bpf.BPFEvent, error) {
	switch {
	case q.pid != nil:
		return storage.GetByPID(*q.pid, q.since)
	case q.eventType != "":
		return storage.GetByType(q.eventType, q.since)
	default:
		return storage.GetByCommand(q.command, q.since)
	}
}

// completeAt tells whether a storage of that coverage still has every record that was asked for. A question without a
// beginning asks for what the retention keeps.
func (q eventQuery) completeAt(coverage bpf.Coverage) bool {
	if q.since.IsZero() {
		return coverage.Evicted == 0
	}
	return !coverage.Since.After(q.since)
}

type EventsAnswer struct {
	// Events are the newest that match, newest first; Total counts all that match and are kept.
	Events []Event `json:"events"`
	Total  int     `json:"total"`
	// Truncated says that the limit left events out.
	Truncated bool `json:"truncated"`
	// Complete says that nothing that was asked for is missing, neither through the limit nor in the storage.
	Complete bool `json:"complete"`
	// CoveredSince is the moment from which on the storage has every record, Evicted how many had to leave early.
	CoveredSince time.Time `json:"covered_since,omitzero"`
	Evicted      uint64    `json:"evicted"`
}

func (s *Server) listEvents(r *http.Request) (any, error) {
	q, err := readEventQuery(r, time.Now())
	if err != nil {
		return nil, err
	}
	kept, err := q.from(s.options.Events)
	if err != nil {
		return nil, fmt.Errorf("query the storage: %w", err)
	}
	// Asked after the events: what leaves the storage in between makes the answer look worse than it is, never better.
	coverage := s.options.Events.Coverage(q.eventType)
	answer := newEventsAnswer(kept, q)
	answer.Complete = !answer.Truncated && q.completeAt(coverage)
	answer.CoveredSince, answer.Evicted = coverage.Since.UTC(), coverage.Evicted
	return answer, nil
}

// newEventsAnswer turns what is kept, oldest first, into the newest that match.
func newEventsAnswer(kept []bpf.BPFEvent, q eventQuery) EventsAnswer {
	answer := EventsAnswer{Events: []Event{}}
	for i := range kept {
		event := kept[len(kept)-1-i]
		if !q.matches(event) {
			continue
		}
		answer.Total++
		if len(answer.Events) < q.limit {
			answer.Events = append(answer.Events, newEventForm(event))
		}
	}
	answer.Truncated = answer.Total > len(answer.Events)
	return answer
}
