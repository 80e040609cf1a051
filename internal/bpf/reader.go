package bpf

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf/ringbuf"
)

// lookAgain is how long after an empty ring the reader looks once more before it sleeps until it is woken. Programs
// wake it less often than they write: see ring_submit in bpf/include/ring.h, whose interval is shorter.
const lookAgain = 5 * time.Millisecond

// readCounts is the user-space side of the ledger. The reader writes it, Status reads it.
type readCounts struct {
	undecodable atomic.Uint64
	dropped     atomic.Uint64
	delivered   atomic.Uint64
}

// readAll turns samples into events until the ring is flushed or closed. It never waits for whoever reads the events:
// one that finds the channel full is dropped and counted.
func (p *Program) readAll(reader *ringbuf.Reader) {
	headers := newHeaderDecoder(p.session)
	var record ringbuf.Record
	var look time.Time
	for {
		err := reader.ReadInto(&record)
		switch {
		case err == nil:
			p.deliver(headers, record.RawSample)
			if record.Remaining == 0 {
				look = time.Now().Add(lookAgain)
				reader.SetDeadline(look)
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			// A deadline that passed is told only once the ring is empty: what was read until then set a new one.
			if !time.Now().Before(look) {
				reader.SetDeadline(time.Time{})
			}
		case errors.Is(err, ringbuf.ErrFlushed):
			return
		default:
			p.readerEnded(err)
			return
		}
	}
}

func (p *Program) deliver(headers *headerDecoder, sample []byte) {
	event, err := p.decode(headers, sample)
	if err != nil {
		if p.read.undecodable.Add(1) == 1 {
			p.log().Warn("cannot decode a sample; further ones are only counted", "error", err)
		}
		return
	}
	if p.offer(event) {
		p.read.delivered.Add(1)
	} else {
		p.read.dropped.Add(1)
	}
}

func (p *Program) decode(headers *headerDecoder, sample []byte) (BPFEvent, error) {
	base, err := headers.decode(sample)
	if err != nil {
		return nil, err
	}
	return p.spec.Decode(base, sample)
}

// readerEnded is the failure of a program whose ring cannot be read any more.
func (p *Program) readerEnded(err error) {
	if errors.Is(err, os.ErrClosed) {
		err = errors.New("the ring was closed")
	}
	p.senderEnded(err)
}

// senderEnded is the failure of a running program: its hooks go, for nobody brings out what they report.
func (p *Program) senderEnded(err error) {
	p.mu.Lock()
	object := p.object
	p.mu.Unlock()
	err = fmt.Errorf("read program %s: %w", p.spec.Name, err)
	p.fail(err)
	p.log().Warn("program failed", "error", err)
	if object == nil { // Stop has taken it
		return
	}
	if err := object.detach(); err != nil {
		p.log().Warn("cannot detach a failed program", "error", err)
	}
	p.endDrains()
}

// Status implements Reporter. After Stop it tells how the program ended.
func (p *Program) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Before the kernel's side, which grows meanwhile: what was drained happened before.
	p.countOwn(&p.stats)
	if p.object != nil {
		p.hooks = slices.Concat(p.object.currentHooks(), p.refused)
		if err := p.object.count(&p.stats); err != nil {
			p.log().Warn("cannot read the ledger", "error", err)
		}
	}
	status := Status{
		Name:        p.spec.Name,
		Description: p.spec.Description,
		State:       p.state,
		Hooks:       p.hooks,
		Stats:       p.stats,
		Drains:      p.drained.turns.Load(),
		Reductions:  p.reduced,
		MapBytes:    p.maps,
	}
	if p.reason != nil {
		status.Reason = p.reason.Error()
	}
	return status
}

// countOwn reads user space's side of the ledger into stats.
func (p *Program) countOwn(stats *Stats) {
	stats.Undecodable = p.read.undecodable.Load()
	stats.Dropped = p.read.dropped.Load()
	stats.Delivered = p.read.delivered.Load()
	stats.Tallied = p.drained.tallied.Load()
	stats.TalliesLost = p.drained.lost.Load()
	stats.LedgerRows = p.drained.rows.Load()
}
