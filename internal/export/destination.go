package export

import (
	"fmt"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// consoleLogInterval is how long a record waits for others at most: short enough to feel live.
const consoleLogInterval = 200 * time.Millisecond

// destination is one place that both signals go to, through the SDK's own two interfaces. Log exporters that deliver a
// part of a batch say how much with a partialError.
type destination struct {
	name        string
	logs        sdklog.Exporter
	metrics     sdkmetric.Exporter
	logInterval time.Duration
}

// destinations returns where the options send telemetry.
func destinations(o Options) ([]destination, error) {
	out := &lineWriter{out: o.Out}
	switch o.Console {
	case ConsoleOff:
		return nil, nil
	case ConsoleText:
		return []destination{{
			name:        "console text",
			logs:        &textLogs{out: out, location: o.location},
			metrics:     newTextMetrics(out, o.now),
			logInterval: consoleLogInterval,
		}}, nil
	case ConsoleJSON:
		return []destination{{
			name:        "console json",
			logs:        &jsonLogs{out: out},
			metrics:     &jsonMetrics{out: out},
			logInterval: consoleLogInterval,
		}}, nil
	}
	return nil, fmt.Errorf("unknown console %q: it is %q or %q", o.Console, ConsoleText, ConsoleJSON)
}
