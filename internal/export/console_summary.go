package export

import (
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kerntap/kerntap/internal/telemetry"
)

const (
	topCommands = 5
	topReasons  = 3
)

// summary is what one interval's metrics say, for one line. All of it was counted; nothing is estimated.
type summary struct {
	roles, errors, commands counts
	classes, reasons        counts
	// countedOnly is what no record tells of, missed what is not even counted.
	countedOnly, missed counts
}

// summarize reads the metrics of one interval (delta temporality).
func summarize(metrics *metricdata.ResourceMetrics) summary {
	s := summary{
		roles: counts{}, errors: counts{}, commands: counts{},
		classes: counts{}, reasons: counts{}, countedOnly: counts{}, missed: counts{},
	}
	for _, scope := range metrics.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if !ok {
				continue
			}
			for _, point := range sum.DataPoints {
				s.add(m.Name, point)
			}
		}
	}
	return s
}

// add sorts one point into the counts.
func (s *summary) add(name string, point metricdata.DataPoint[int64]) {
	label := func(key attribute.Key) string {
		value, _ := point.Attributes.Value(key)
		return value.AsString()
	}
	switch name {
	case telemetry.TCPConnections.Name:
		s.roles.add(label(telemetry.TCPRole), "role unknown", point.Value)
		s.commands.add(label(telemetry.Command), "(unknown)", point.Value)
		if failure := label(telemetry.ErrorType); failure != "" {
			s.errors.add(failure, "", point.Value)
		}
	case telemetry.PacketDrops.Name:
		class := label(telemetry.DropClass)
		s.classes.add(class, "class unknown", point.Value)
		if class != telemetry.ClassCleanup {
			s.reasons.add(label(telemetry.DropReason), "reason unknown", point.Value)
		}
	case telemetry.ProgramEvents.Name, telemetry.ProgramRecords.Name:
		outcome := label(telemetry.Outcome)
		what := label(telemetry.ProgramName) + "." + outcome
		switch outcome {
		case telemetry.OutcomeThrottled, telemetry.OutcomeLost, telemetry.OutcomeUndecodable, telemetry.OutcomeDropped:
			s.countedOnly.add(what, "", point.Value)
		case telemetry.OutcomeMissed:
			s.missed.add(what, "", point.Value)
		}
	}
}

// line returns the summary of an interval of that length.
func (s *summary) line(elapsed time.Duration) string {
	if elapsed > time.Second {
		elapsed = elapsed.Round(time.Second)
	}
	parts := []string{s.connections(), s.drops()}
	if len(s.commands) > 0 {
		parts = append(parts, "connections by command: "+s.commands.top(topCommands))
	}
	if len(s.countedOnly) > 0 {
		parts = append(parts, fmt.Sprintf("counted only %d (%s)", s.countedOnly.total(), s.countedOnly.top(len(s.countedOnly))))
	}
	if len(s.missed) > 0 {
		parts = append(parts, fmt.Sprintf("not counted %d (%s)", s.missed.total(), s.missed.top(len(s.missed))))
	}
	return fmt.Sprintf("── %s: %s\n", shortDuration(elapsed), strings.Join(parts, " · "))
}

func (s *summary) connections() string {
	total := s.roles.total()
	if total == 0 {
		return "no connections"
	}
	text := fmt.Sprintf("%s (%s)", plural(total, "connection"), s.roles.top(len(s.roles)))
	if failed := s.errors.total(); failed > 0 {
		text += fmt.Sprintf(", %d of them failed (%s)", failed, s.errors.top(len(s.errors)))
	}
	return text
}

func (s *summary) drops() string {
	total := s.classes.total()
	if total == 0 {
		return "no packet drops"
	}
	text := fmt.Sprintf("%s (%s)", plural(total, "packet drop"), s.classes.top(len(s.classes)))
	if len(s.reasons) > 0 {
		text += ", reasons: " + s.reasons.top(topReasons)
	}
	return text
}

func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
