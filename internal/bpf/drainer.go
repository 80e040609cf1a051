package bpf

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// lastSends is how long the end of a program waits for the reader of its events to take the last tallies.
const lastSends = 2 * time.Second

// drainTries is how often in a row a drain may fail.
const drainTries = 5

// drainCounts is what the drainer tells Status.
type drainCounts struct {
	tallied atomic.Uint64 // events in rows that were drained
	rows    atomic.Uint64 // rows of the last drain
	turns   atomic.Uint64 // drains, whatever they brought
	lost    atomic.Uint64 // events in tallies that nobody took before the end
}

// drainAll turns the ledger every interval and hands its tallies on, until stop. Then, the hooks being detached, it
// drains both halves a last time. A ledger that cannot be drained again and again is the failure of its program.
func (p *Program) drainAll(o *object, stop <-chan struct{}) {
	pending := newPendingTallies(&p.spec, p.session)
	ticker := time.NewTicker(p.session.interval())
	defer ticker.Stop()
	for failures := 0; ; {
		select {
		case <-ticker.C:
			if err := p.drain(o, func() error { return o.iterators.turn(p.session.interval()) }, pending); err == nil {
				failures = 0
			} else if failures++; failures == drainTries {
				p.senderEnded(fmt.Errorf("drain the ledger, %d times in a row: %w", failures, err))
			}
			p.handOn(pending, p.offer)
			p.drained.turns.Add(1)
		case <-stop:
			p.drainLast(o, pending)
			return
		}
	}
}

// drainLast drains both halves. What it cannot bring is counted as lost, as is what nobody takes.
func (p *Program) drainLast(o *object, pending *pendingTallies) {
	for done, tries := 0, 0; done < 2 && tries < drainTries; tries++ {
		if p.drain(o, o.iterators.walk, pending) == nil {
			done++
		}
	}
	patience, cancel := context.WithTimeout(context.Background(), lastSends)
	defer cancel()
	p.drained.lost.Add(p.handOn(pending, func(event BPFEvent) bool { return p.insist(patience, event) }))
	if outcomes, err := o.ledger.readOutcomes(); err == nil {
		p.drained.lost.Add(outcomes.tallied() - min(pending.tallied, outcomes.tallied()))
	}
}

func (p *Program) drain(o *object, walk func() error, pending *pendingTallies) error {
	if err := walk(); err != nil {
		p.log().Warn("cannot walk what is open; it is told when it ends", "error", err)
	}
	before := o.ledger.last.Unowned
	err := o.ledger.drain(pending)
	if o.ledger.last.Unowned > before {
		o.iterators.hurry()
	}
	if err != nil {
		p.log().Warn("cannot drain the ledger; what it holds goes with the next drain", "error", err)
	}
	p.drained.tallied.Store(pending.tallied)
	p.drained.rows.Store(uint64(pending.rowsLastTime))
	return err
}

func (p *Program) handOn(pending *pendingTallies, send func(BPFEvent) bool) (left uint64) {
	left, unreadable, err := pending.handOn(send)
	if err != nil {
		p.log().Warn("cannot read a row of the ledger", "events", unreadable, "error", err)
	}
	p.drained.lost.Add(unreadable)
	return left
}

// offer sends an event if there is room for it.
func (p *Program) offer(event BPFEvent) bool {
	select {
	case p.events <- event:
		return true
	default:
		return false
	}
}

// insist sends an event as soon as there is room, unless patience ends first.
func (p *Program) insist(patience context.Context, event BPFEvent) bool {
	if p.offer(event) {
		return true
	}
	select {
	case p.events <- event:
		return true
	case <-patience.Done():
		return false
	}
}
