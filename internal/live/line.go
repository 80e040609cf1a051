package live

import (
	"fmt"
	"strings"
	"time"

	"github.com/kerntap/kerntap/internal/api"
	"github.com/kerntap/kerntap/internal/client"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// details are the attributes that a line names beside its body, and by which word.
var details = [...]struct{ key, word string }{
	{telemetry.DropClass, "class"},
	{telemetry.TCPRole, "role"},
	{telemetry.ContainerID, "container"},
}

// shortID is how much of a container's id people look at.
const shortID = 12

// Line is a record as one line for people: when, how severe, what, in words, and what the words leave out.
func Line(event *api.Event, location *time.Location) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-4s  %-21s  %s", event.Timestamp.In(location).Format("15:04:05.000"),
		client.Printable(event.Severity), client.Printable(ShortName(event)), client.Printable(event.Body))
	for _, detail := range details {
		value := text(event, detail.key)
		if detail.key == telemetry.ContainerID && len(value) > shortID {
			value = value[:shortID]
		}
		if value != "" {
			fmt.Fprintf(&b, "  %s=%s", detail.word, client.Printable(value))
		}
	}
	return b.String()
}

// ShortName is the name of an event without what all have in common.
func ShortName(event *api.Event) string { return strings.TrimPrefix(event.Name, "kerntap.") }

// text is the value of an attribute, "" where there is none.
func text(event *api.Event, key string) string {
	value, ok := event.Attributes[key]
	if !ok {
		return ""
	}
	return fmt.Sprint(value)
}
