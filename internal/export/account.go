package export

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"syscall"

	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// Causes of records that were dropped before an export was tried.
const (
	causeQueueFull = "queue_full"
	causeShutdown  = "shutdown"
)

// LogStatus counts what became of the log records for one destination, to the unit and at any moment:
// Emitted = Exported + Queued + all of Dropped + all of Failed.
type LogStatus struct {
	// Emitted is the number of records that events became.
	Emitted uint64
	// Exported records were taken by the destination.
	Exported uint64
	// Queued records wait, or are on their way.
	Queued uint64
	// Dropped records never reached an export, Failed ones did and were not taken; both by cause.
	Dropped, Failed map[string]uint64
}

// MetricStatus counts the exports of all metrics at one time.
type MetricStatus struct {
	Exported uint64
	// Failed exports by cause. The next export makes up for what events measured meanwhile, unless the collector
	// answered that it never takes it.
	Failed map[string]uint64
	// Failing is why the last export failed, "" if it did not.
	Failing string
}

// Status is the truth about one destination.
type Status struct {
	// Destination is where the signals go, "console text" for example.
	Destination string
	// Waiting tells that the collector did not take the last request and that kerntap tries again.
	Waiting bool
	// SendsLogs and SendsMetrics tell which signals go there; what is said of one that does not is empty.
	SendsLogs, SendsMetrics bool
	Logs                    LogStatus
	Metrics                 MetricStatus
}

// clone returns a status that shares no map with s.
func (s LogStatus) clone() LogStatus {
	s.Dropped = maps.Clone(s.Dropped)
	s.Failed = maps.Clone(s.Failed)
	return s
}

// clone returns a status that shares no map with s.
func (s MetricStatus) clone() MetricStatus {
	s.Failed = maps.Clone(s.Failed)
	return s
}

// partialError is the failure of an export that delivered some of a batch.
type partialError struct {
	exported int
	// failed counts records by cause; of those that are neither here nor exported, err is the cause.
	failed map[string]int
	err    error // nil if nothing failed
	// left is how many of the last records are not decided on, because telemetry goes elsewhere now.
	left int
}

// undecided takes from the result of an export how many of the last records are to be exported elsewhere.
func undecided(err error) (left int, rest error) {
	partial, ok := errors.AsType[*partialError](err)
	if !ok {
		return 0, err
	}
	if partial.err == nil {
		err = nil
	}
	return partial.left, err
}

func (e *partialError) Error() string { return fmt.Sprint(e.err) }

func (e *partialError) Unwrap() error { return e.err }

// fail counts n records that err kept from the destination.
func (e *partialError) fail(n int, err error) {
	e.failed[causeOf(err)] += n
	e.err = err
}

// causeError is a failure whose cause is known by name.
type causeError struct {
	cause string
	err   error
}

func (e *causeError) Error() string { return e.err.Error() }

func (e *causeError) Unwrap() error { return e.err }

// enter counts what became of a batch of n records whose export returned err.
func (s *LogStatus) enter(n int, err error) {
	if err == nil {
		s.Exported += uint64(n)
		return
	}
	if partial, ok := errors.AsType[*partialError](err); ok {
		s.Exported += uint64(partial.exported)
		n -= partial.exported
		for cause, failed := range partial.failed {
			s.Failed[cause] += uint64(failed)
			n -= failed
		}
	}
	if n > 0 {
		s.Failed[causeOf(err)] += uint64(n)
	}
}

// causeOf names an export's failure with few words, so that it can be counted by them.
func causeOf(err error) string {
	if known, ok := errors.AsType[*causeError](err); ok {
		return known.cause
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "timed_out"
	case errors.Is(err, context.Canceled), errors.Is(err, sdklog.ErrExporterShutdown):
		return causeShutdown
	case errors.Is(err, syscall.EPIPE):
		return "broken_pipe"
	case errors.Is(err, syscall.ENOSPC):
		return "no_space"
	case errors.Is(err, fs.ErrClosed):
		return "closed"
	default:
		return "_OTHER"
	}
}
