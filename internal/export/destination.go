package export

import (
	"fmt"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// consoleLogInterval is how long a record waits for others at most: short enough to feel live.
const consoleLogInterval = 200 * time.Millisecond

// destination is one place that signals go to, through the SDK's own two interfaces; nil for a signal that does not go
// there. Log exporters that deliver a part of a batch say how much with a partialError.
type destination struct {
	name        string
	logs        sdklog.Exporter
	metrics     sdkmetric.Exporter
	logInterval time.Duration
	logBatch    int
	reach       *reachability
}

// destinations returns where the options send telemetry.
func destinations(o Options) ([]destination, error) {
	all, err := consoles(o)
	if err != nil {
		return nil, err
	}
	sent, err := collectors(o)
	return append(all, sent...), err
}

// consoles returns the console, if there is one.
func consoles(o Options) ([]destination, error) {
	out := newLineWriter(o.Out)
	d := destination{name: "console " + o.Console, logInterval: consoleLogInterval}
	switch o.Console {
	case ConsoleOff:
		return nil, nil
	case ConsoleText:
		d.logs, d.metrics = &textLogs{out: out, location: o.location}, newTextMetrics(out, o.now)
	case ConsoleJSON:
		d.logs, d.metrics = &jsonLogs{out: out}, &jsonMetrics{out: out}
	default:
		return nil, fmt.Errorf("unknown console %q: it is %q or %q", o.Console, ConsoleText, ConsoleJSON)
	}
	if o.HideLogs {
		d.logs = nil
	}
	if o.HideMetrics {
		d.metrics = nil
	}
	return []destination{d}, nil
}
