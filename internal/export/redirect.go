package export

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errRedirected interrupts an export whose destination is no longer the one to go to.
var errRedirected = errors.New("telemetry goes elsewhere from now on")

// redirectGrace is how long an export under way may go on after a redirection: what a collector has taken by then, and is
// about to say so, need not be told twice.
const redirectGrace = time.Second

// interrupt ends an export under way whose destination does not answer.
func interrupt(export context.CancelCauseFunc) {
	if export != nil {
		time.AfterFunc(redirectGrace, func() { export(errRedirected) })
	}
}

// closeTime is how long the end of an exporter that is not used any more may take.
const closeTime = time.Second

// ErrSignals is what Redirect answers to options that send other signals to collectors than before.
var ErrSignals = errors.New("which signals are sent changes with a restart only")

// Redirect has signals that go to collectors go to those that options name from now on, in their way: endpoint, protocol,
// headers, security, batches and times. What waits, and what the destination before has not taken, goes there too; counts
// and start times go on. Consoles, the form of metrics, the resource and the size of the queue stay as they are. On an
// error nothing changes.
func (p *Pipeline) Redirect(options Options) error {
	o, err := options.withDefaults()
	if err != nil {
		return err
	}
	to, err := collectors(o)
	if err == nil {
		err = p.redirect(o, to)
	}
	if err != nil {
		for _, d := range to {
			closeUnused(d.logs)
			closeUnused(d.metrics)
		}
		return fmt.Errorf("redirect telemetry: %w", err)
	}
	return nil
}

func (p *Pipeline) redirect(o Options, to []destination) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var kept []outlet
	var before outlet // what goes to collectors, one or two of them
	for _, out := range p.outlets {
		switch {
		case out.reach == nil:
			kept = append(kept, out)
			continue
		case out.logs != nil:
			before.logs = out.logs
		}
		if out.metrics != nil {
			before.metrics = out.metrics
		}
	}
	if (before.logs != nil) != (o.LogsOTLP != nil) || (before.metrics != nil) != (o.MetricsOTLP != nil) {
		return ErrSignals
	}
	for _, d := range to {
		out := outlet{name: d.name, reach: d.reach}
		if d.logs != nil {
			out.logs = before.logs
			out.logs.redirect(d)
		}
		if d.metrics != nil {
			out.metrics = before.metrics
			out.metrics.redirect(newMetricRoute(d, o))
		}
		kept = append(kept, out)
	}
	p.outlets = kept
	return nil
}

// closeUnused ends an exporter that nothing is exported with any more.
func closeUnused(exporter interface{ Shutdown(context.Context) error }) {
	if exporter == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	_ = exporter.Shutdown(ctx) // what it says of the end of an idle connection nobody needs to know
}
