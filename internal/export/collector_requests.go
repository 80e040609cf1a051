package export

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	collogpb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
)

const (
	// causeUnavailable is the cause of what was given up because the collector could not be reached in time.
	causeUnavailable = "unavailable"
	// causeNotOTLP is the cause of what something else than a receiver answered.
	causeNotOTLP = "not_otlp"
)

// requests watches the requests of one exporter from inside its transport: the SDK's exporters try again without a
// word, lose the counts of a partial success, and bound with one timeout all attempts together. Each is used by one
// goroutine at a time.
type requests struct {
	timeout time.Duration
	reach   *reachability

	// close lets go of what the transport keeps open beside the exporter's own connection.
	close func()

	// cause names why the last request failed, "" if it did not; taken says that the collector took it, in part at
	// least.
	cause string
	taken bool
	// rejected is how much of the last request the collector turned away, why says the reason in its words.
	rejected int64
	why      string
	warned   string // the collector's last warning

	mu      sync.Mutex
	pausing bool   // between an attempt that failed and the next one
	hurried func() // ends the next pause, nil if none is to be ended
}

func newRequests(to *OTLP, reach *reachability) *requests {
	return &requests{timeout: to.Timeout, reach: reach, close: func() {}}
}

// begin forgets what the requests before have found.
func (r *requests) begin() {
	r.cause, r.taken, r.rejected, r.why = "", false, 0, ""
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pausing, r.hurried = false, nil
}

// report enters what an attempt found: err if the collector is to be waited for, nil if it answered, and whether there will
// be another attempt.
func (r *requests) report(err error, again bool) {
	r.reach.report(r, err)
	r.pause(again)
}

// pause says whether the next attempt is waited for.
func (r *requests) pause(pausing bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pausing = pausing
	if pausing && r.hurried != nil {
		r.hurried()
		r.hurried = nil
	}
}

// hurry has end called, once, as soon as the export waits for its next attempt. An attempt that is under way goes on: what
// is on the wire may have arrived.
func (r *requests) hurry(end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pausing {
		end()
		return
	}
	r.hurried = end
}

// answered enters the collector's answer to a request that succeeded.
func (r *requests) answered(response any) {
	r.begin()
	switch answer := response.(type) {
	case *collogpb.ExportLogsServiceResponse:
		r.rejected, r.why = answer.GetPartialSuccess().GetRejectedLogRecords(), answer.GetPartialSuccess().GetErrorMessage()
	case *colmetricpb.ExportMetricsServiceResponse:
		r.rejected, r.why = answer.GetPartialSuccess().GetRejectedDataPoints(), answer.GetPartialSuccess().GetErrorMessage()
	}
	r.taken = true
	r.report(nil, false)
	if r.rejected == 0 && r.why != r.warned {
		r.warned = r.why
		r.reach.log.Warn("the collector took everything, with a warning", "message", printable(r.why))
	}
}

// result is what became of an export whose exporter returned err: the requests know better than the exporter.
func (r *requests) result(ctx context.Context, err error) error {
	switch {
	case err == nil || r.taken: // the SDK calls a partial success an error, and one that only warns too
		return nil
	case context.Cause(ctx) == errGivenUp:
		return &causeError{cause: orCause(r.cause, causeUnavailable), err: err}
	case r.cause == "" || ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return err
	}
	return &causeError{cause: r.cause, err: err}
}

func orCause(cause, otherwise string) string {
	if cause == "" {
		return otherwise
	}
	return cause
}

// rejection is the error of a partial success, nil if all was taken. A collector may also answer with a warning.
func (r *requests) rejection() error {
	if r.rejected == 0 {
		return nil
	}
	return &causeError{cause: causeRejected, err: fmt.Errorf("the collector rejected %d: %s", r.rejected, printable(r.why))}
}
