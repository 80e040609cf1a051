package api

import (
	"net/http"
	"strconv"
)

var errAfter = badRequest("Invalid after parameter: give what was answered as next, or leave it out to begin with now")

// FollowAnswer is what /api/follow answers: events in the order in which they came, and where to go on.
type FollowAnswer struct {
	// Events begin with the one that came first.
	Events []Event `json:"events"`
	// Next is what to ask for as after the next time.
	Next uint64 `json:"next"`
	// Missed counts the events that had left the storage before they were asked for.
	Missed uint64 `json:"missed"`
	// More tells that there are events after Next already.
	More bool `json:"more"`
}

// follow answers a client that comes back with what it was answered last. It keeps nothing of its clients: who asks too
// rarely is told how much it missed.
func (s *Server) follow(r *http.Request) (any, error) {
	values, err := readQuery(r)
	if err != nil {
		return nil, err
	}
	limit, err := queryWhole(values, "limit", errLimit)
	if err != nil {
		return nil, err
	}
	asked, err := newSelection(nil, limit)
	if err != nil {
		return nil, err
	}
	text := values.Get("after")
	if text == "" {
		return FollowAnswer{Events: []Event{}, Next: s.options.Events.Newest()}, nil
	}
	after, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return nil, errAfter
	}
	events, at := s.options.Events.Follow(after, asked.limit)
	answer := FollowAnswer{Events: make([]Event, len(events)), Next: at.Next, Missed: at.Missed, More: at.More}
	for i, event := range events {
		answer.Events[i] = newEventForm(event)
	}
	return answer, nil
}
