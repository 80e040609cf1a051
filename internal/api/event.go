package api

import (
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// Event is the JSON form of any event: what all have, and what those say that describe themselves.
type Event struct {
	Type      string    `json:"type"`
	PID       uint32    `json:"pid"`
	Command   string    `json:"command"`
	Timestamp time.Time `json:"timestamp"`
	Name      string    `json:"name,omitempty"`
	Severity  string    `json:"severity,omitempty"`
	Body      string    `json:"body,omitempty"`
	// Attributes are strings and numbers, as the event's log record has them.
	Attributes map[string]any `json:"attributes,omitempty"`
}

func newEventForm(event bpf.BPFEvent) Event {
	form := Event{
		Type:      event.GetEventType(),
		PID:       event.GetPID(),
		Command:   event.GetCommand(),
		Timestamp: event.GetWallClockTime().UTC(),
	}
	if described, ok := event.(bpf.Described); ok {
		form.Name = described.EventName()
		form.Severity = severityText(described.Severity())
		form.Body = described.Body()
		form.Attributes = attributeForm(described.Attributes(nil))
	}
	return form
}

func attributeForm(attributes []telemetry.Attribute) map[string]any {
	form := make(map[string]any, len(attributes))
	for _, a := range attributes {
		switch {
		case a.IsInt():
			form[a.Key] = a.Number()
		case a.IsFloat():
			form[a.Key] = a.Real()
		default:
			form[a.Key] = a.Text()
		}
	}
	return form
}

// severityText spells a severity as OpenTelemetry's short names do.
func severityText(severity telemetry.Severity) string {
	if severity == telemetry.Warn {
		return "WARN"
	}
	return "INFO"
}
