package export

import (
	"context"
	"errors"
	"fmt"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// errGivenUp is why an export ends whose collector did not take it in time.
var errGivenUp = errors.New("the collector did not take it in time")

// errNoTime is why an export does not wait for its next attempt.
var errNoTime = errors.New("there is no time to wait for the next attempt")

// Causes of records that a collector did not get or did not keep.
const (
	causeTooLarge = "too_large"
	causeRejected = "rejected"
)

// collectorLogs exports batches in requests that are smaller than a collector takes at most, and says of every record
// what became of it.
type collectorLogs struct {
	sdklog.Exporter
	requests *requests
	timeout  time.Duration
	limit    int

	ending context.Context // until Hurry
	hurry  context.CancelFunc
}

func newLogsThrough(r *requests, o Options) *collectorLogs {
	c := &collectorLogs{requests: r, timeout: o.LogTimeout, limit: maxRequest}
	c.ending, c.hurry = context.WithCancel(context.Background())
	return c
}

// Hurry has an export that waits for its next attempt make it now, even if the collector has asked for patience: there is
// little time left. If an attempt is under way and fails, the next one follows at once. It may be called at any time.
func (c *collectorLogs) Hurry() { c.hurry() }

// Export returns once every record was taken, refused or waited for in vain. A later request goes out even if one
// before it failed: what one was refused for need not be true of the other.
func (c *collectorLogs) Export(ctx context.Context, records []sdklog.Record) error {
	result := partialError{failed: map[string]int{}}
	for len(records) > 0 {
		n := fitting(records, c.limit)
		if context.Cause(ctx) == errRedirected {
			result.left = len(records)
			break
		}
		if n == 0 {
			result.fail(1, &causeError{causeTooLarge, fmt.Errorf("a record takes more than the %d bytes of a request", c.limit)})
			n = 1
		} else if !c.export(ctx, records[:n], &result) {
			continue
		}
		records = records[n:]
	}
	if result.err == nil && result.left == 0 {
		return nil
	}
	return &result
}

// export sends one request. It returns false if it was interrupted before anything was decided.
func (c *collectorLogs) export(parent context.Context, records []sdklog.Record, result *partialError) bool {
	ctx, cancel := context.WithTimeoutCause(parent, c.timeout, errGivenUp)
	defer cancel()
	ctx, again := context.WithCancelCause(ctx)
	defer again(nil)
	c.requests.begin()
	if c.ending.Err() == nil { // once is enough
		stop := context.AfterFunc(c.ending, func() { c.requests.hurry(func() { again(errNoTime) }) })
		defer stop()
	}
	err := c.requests.result(ctx, c.Exporter.Export(ctx, records))
	if err != nil && (context.Cause(parent) == errRedirected || context.Cause(ctx) == errNoTime) {
		return false
	}
	if err != nil {
		result.fail(len(records), err)
		return true
	}
	rejected := min(int(max(c.requests.rejected, 0)), len(records))
	result.exported += len(records) - rejected
	if rejected > 0 {
		result.fail(rejected, c.requests.rejection())
	}
	return true
}

// Shutdown closes the connection.
func (c *collectorLogs) Shutdown(ctx context.Context) error {
	defer c.requests.close()
	return c.Exporter.Shutdown(ctx)
}
