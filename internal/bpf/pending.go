package bpf

import (
	"slices"
	"time"
	"unsafe"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// pendingTallies are counts that were drained from a ledger and have not been handed on yet. What finds a channel full
// stays and is merged with what is drained later: a slow consumer makes tallies coarser in time and loses none. It
// belongs to one goroutine.
type pendingTallies struct {
	spec    *Spec
	session *Session
	headers *headerDecoder

	rows      map[string]*pendingRow
	processes map[wireProcessRow]*pendingProcess

	lacking      lack
	from, until  time.Time // of the drain under way, or the last one
	next         time.Time // where the next one begins
	untilNs      uint64
	offset       int64
	drains       uint64
	rowsLastTime int
	tallied      uint64 // events in all rows, ever
}

// maxPending bounds the rows, and the processes, that wait for a slow consumer: some 10 MB.
const maxPending = 65536

// pendingRow is what one row has counted since it was last handed on.
type pendingRow struct {
	count, sum    uint64
	distributions [2]*telemetry.Distribution
	amounts       [amounts]uint64
	from          time.Time
	drained       uint64 // the drain that last brought a count
}

type pendingProcess struct {
	count uint64
	from  time.Time
}

func newPendingTallies(spec *Spec, session *Session) *pendingTallies {
	p := &pendingTallies{
		spec: spec, session: session, headers: newHeaderDecoder(session),
		rows: make(map[string]*pendingRow), processes: make(map[wireProcessRow]*pendingProcess),
	}
	p.next = p.now()
	return p
}

// turning notes the moment before the ledger is turned: from then on events may count in the other half, which is
// drained the next time.
func (p *pendingTallies) turning() { p.from, p.next = p.next, p.now() }

// begin opens the entry of what a drain brings: what happened since the turn before until now, when nothing fills the
// half any more. A clock that was stepped does not make it end before it began.
func (p *pendingTallies) begin() {
	p.until = p.now()
	if p.from.After(p.until) {
		p.from = p.until
	}
	p.drains++
	p.rowsLastTime = 0
}

// now reads the clocks.
func (p *pendingTallies) now() time.Time {
	p.untilNs = p.session.Clock.Now()
	p.offset = p.session.Clock.Offset(p.untilNs)
	return time.Unix(0, int64(p.untilNs)+p.offset).UTC()
}

func (p *pendingTallies) addRow(key []byte, perCPU []wireTally) {
	row := p.counting(key)
	for _, tally := range perCPU {
		row.count += tally.Count
		row.sum += tally.Sum
		p.tallied += tally.Count
	}
}

// counting is the row of a key that has counted something, which may be in two maps.
func (p *pendingTallies) counting(key []byte) *pendingRow {
	row := p.row(key)
	if row.drained != p.drains {
		row.drained = p.drains
		p.rowsLastTime++
	}
	return row
}

func (p *pendingTallies) addMeasures(key []byte, values []wireMeasures) {
	row := p.row(key)
	if n := values[0].Count; n > 0 {
		row = p.counting(key)
		row.count += n
		p.tallied += n
	}
	for i := range row.distributions {
		measured := values[0].durations()[i]
		if measured.empty() {
			continue
		}
		if row.distributions[i] == nil {
			row.distributions[i] = new(telemetry.Distribution)
		}
		measured.addTo(row.distributions[i])
	}
	for i, amount := range values[0].Amounts {
		row.amounts[i] += amount
	}
}

func (p *pendingTallies) addProcess(key []byte, values []uint64) {
	p.addCharge(head[wireProcessRow](key), values[0])
}

func (p *pendingTallies) addCharge(process wireProcessRow, n uint64) {
	known := p.processes[process]
	if known == nil && len(p.processes) >= maxPending {
		p.addLack(0, n)
		return
	}
	if known == nil {
		known = &pendingProcess{from: p.from}
		p.processes[process] = known
	}
	known.count += n
}

// addLack enters how much of what the rows count is counted for nobody.
func (p *pendingTallies) addLack(nameless, ownerless uint64) {
	p.lacking.nameless += nameless
	p.lacking.ownerless += ownerless
}

func (p *pendingTallies) addOverflow(kind uint32, before, now *wireTally) {
	// The two are not read at one moment: a sum may grow a drain later than its count.
	if more := (wireTally{now.Count - before.Count, now.Sum - before.Sum}); more != (wireTally{}) {
		p.addRow(p.spec.Kind(kind), []wireTally{more})
	}
}

func (p *pendingTallies) addSpill(kind uint32, before, now *wireMeasures) {
	if more, any := now.since(before); any {
		p.addMeasures(p.spec.SpillKind(kind), []wireMeasures{more})
	}
}

// row returns the pending row of a key, which may be a new one. Where too many wait it is that of nobody: there are few.
func (p *pendingTallies) row(key []byte) *pendingRow {
	row := p.rows[string(key)]
	if row == nil && len(p.rows) >= maxPending {
		owner := int(unsafe.Sizeof(wireRowOwner{}))
		key = slices.Concat(key[:len(key)-owner], make([]byte, owner))
		row = p.rows[string(key)]
	}
	if row == nil {
		row = &pendingRow{from: p.from}
		p.rows[string(key)] = row
	}
	return row
}

// handOn offers every pending tally to send, which returns false for one that finds no room. It returns how many events
// the tallies that are left count, and how many those whose row the program cannot read.
func (p *pendingTallies) handOn(send func(BPFEvent) bool) (left, unreadable uint64, err error) {
	if l := p.lacking; l.nameless+l.ownerless > 0 {
		l.BaseEvent, l.from, l.eventType = p.base(), p.from, p.spec.Name
		if send(&l) {
			p.lacking = lack{}
		}
	}
	for key, pending := range p.rows {
		event, rowErr := p.spec.Row(p.rowTally(key, pending), []byte(key))
		if rowErr != nil {
			unreadable, err = unreadable+pending.count, rowErr
		} else if !send(event) {
			left += pending.count
			continue
		}
		delete(p.rows, key)
	}
	for process, pending := range p.processes {
		event := p.processEvent(&process, pending)
		if event != nil && !send(event) {
			continue // its rows tell the sum; what is left here is no event of its own
		}
		delete(p.processes, process)
	}
	return left, unreadable, err
}

// rowOwner is what ends the key of every row.
func rowOwner(key []byte) wireRowOwner {
	return head[wireRowOwner](key[len(key)-int(unsafe.Sizeof(wireRowOwner{})):])
}

func (p *pendingTallies) base() BaseEvent {
	return BaseEvent{Timestamp: p.untilNs, WallOffset: p.offset}
}

func (p *pendingTallies) rowTally(key string, pending *pendingRow) RowTally {
	who := rowOwner([]byte(key))
	base := p.base()
	base.Command = p.headers.commands.of(who.Command, who.Command[:])
	base.Executable = p.headers.executables.of(who.Executable, who.Executable[:])
	base.Workload = p.session.RowsBy.only(p.headers.identity(who.CgroupID))
	return RowTally{
		BaseEvent: base, N: pending.count, Sum: pending.sum, From: pending.from,
		Distribution: pending.distributions[0], Second: pending.distributions[1], Amounts: pending.amounts,
	}
}

// processEvent returns nil for what does not count in summaries.
func (p *pendingTallies) processEvent(process *wireProcessRow, pending *pendingProcess) BPFEvent {
	if p.spec.Counts != nil && !p.spec.Counts(process.Kind, process.Place) {
		return nil
	}
	base := p.base()
	base.PID = process.PID
	base.Command = p.headers.commands.of(process.Command, process.Command[:])
	return &ProcessTally{part{base, pending.from}, pending.count, p.spec.Name}
}
