package bpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// The maps and the variable that a program's ledger consists of: see bpf/include/ledger.h, throttle.h and
// distribution.h. The distributions are there only in programs that measure.
const (
	outcomesMap      = "outcomes"
	rowsMap          = "rows_"
	processesMap     = "processes_"
	distributionsMap = "distributions_"
	overflowMap      = "overflow"
	spillMap         = "spill"
	allowancesMap    = "allowances"
	halfVariable     = "ledger_half"
)

// ledger is what a program counts in the kernel. It belongs to one goroutine, but for what says otherwise.
type ledger struct {
	session       *Session
	turning       *ebpf.Variable
	filled        uint32 // the half that the kernel fills
	rows          [2]*half[wireTally]
	runs          *runs // nil in programs that keep no row at hand
	processes     [2]*half[uint64]
	distributions [2]*half[wireMeasures] // nil in programs that measure nothing
	allowances    *ebpf.Map
	outcomes      *ebpf.Map
	overflow      *growing[wireTally]
	spill         *growing[wireMeasures] // as distributions
	last          wireOutcomes           // at the last drain
}

func newLedger(session *Session, c *ebpf.Collection) (*ledger, error) {
	l := &ledger{
		session: session, turning: c.Variables[halfVariable], allowances: c.Maps[allowancesMap], outcomes: c.Maps[outcomesMap],
	}
	if l.turning == nil || l.allowances == nil || c.Maps[overflowMap] == nil {
		return nil, fmt.Errorf("object lacks map %s or %s, or variable %s", overflowMap, allowancesMap, halfVariable)
	}
	lacking := session.RowsBy.keysLack()
	var errs [6]error
	for i := range 2 {
		l.rows[i], errs[i] = openHalf[wireTally](c, rowsMap, i, lacking)
		l.processes[i], errs[2+i] = openHalf[uint64](c, processesMap, i, 0)
		if c.Maps[spillMap] != nil {
			l.distributions[i], errs[4+i] = openHalf[wireMeasures](c, distributionsMap, i, lacking)
		}
	}
	l.runs = newRuns(c)
	l.overflow = newGrowing[wireTally](c.Maps[overflowMap])
	if spill := c.Maps[spillMap]; spill != nil {
		l.spill = newGrowing[wireMeasures](spill)
	}
	return l, errors.Join(errs[:]...)
}

func openHalf[V any](c *ebpf.Collection, name string, i int, lacking uint32) (*half[V], error) {
	name = fmt.Sprint(name, i)
	m := c.Maps[name]
	if m == nil {
		return nil, fmt.Errorf("object lacks map %s", name)
	}
	return newHalf[V](m, lacking)
}

// turn has the kernel fill the other half and returns when nothing fills this one any more.
func (l *ledger) turn() (atRest uint32, err error) {
	atRest = l.filled
	// Before the kernel sees the other half, what it allowed in its last turn is forgotten.
	if err := l.allowances.Put(1-atRest, new(wireAllowance)); err != nil {
		return 0, fmt.Errorf("renew allowances: %w", err)
	}
	if err := l.turning.Set(1 - atRest); err != nil {
		return 0, fmt.Errorf("turn the ledger: %w", err)
	}
	l.filled = 1 - atRest
	if err := l.session.awaitPrograms(); err != nil {
		return 0, fmt.Errorf("wait for programs: %w", err)
	}
	return atRest, nil
}

// drain turns the ledger and moves what was counted since the last turn to where. It blocks until running programs have
// ended, some ten milliseconds.
func (l *ledger) drain(where *pendingTallies) error {
	where.turning()
	i, err := l.turn()
	if err != nil {
		return err
	}
	where.begin()
	errs := []error{l.rows[i].drain(where.addRow), l.processes[i].drain(where.addProcess)}
	if l.runs != nil {
		errs = append(errs, l.runs.drain(i, where))
	}
	if l.spill != nil {
		errs = append(errs, l.distributions[i].drain(where.addMeasures))
	}
	errs = append(errs, l.drainOverflow(where))
	return errors.Join(errs...)
}

// drainOverflow looks at what found no room only if there is more of it than at the last time.
func (l *ledger) drainOverflow(where *pendingTallies) error {
	outcomes, err := l.readOutcomes()
	if err != nil {
		return err
	}
	before := l.last
	l.last = outcomes
	where.addLack(outcomes.Overflowed-before.Overflowed, outcomes.Unattributed-before.Unattributed)
	if outcomes.Overflowed != before.Overflowed {
		err = l.overflow.each(where.addOverflow)
	}
	if outcomes.Spilled != before.Spilled {
		err = errors.Join(err, l.spill.each(where.addSpill))
	}
	return err
}

// readOutcomes sums the outcomes over all CPUs. Any goroutine may call it.
func (l *ledger) readOutcomes() (sum wireOutcomes, err error) {
	var rows []wireOutcomes
	if err := l.outcomes.Lookup(uint32(0), &rows); err != nil {
		return sum, fmt.Errorf("read outcomes: %w", err)
	}
	for _, row := range rows {
		sum.Recorded += row.Recorded
		sum.Throttled += row.Throttled
		sum.Counted += row.Counted
		sum.Lost += row.Lost
		sum.Filtered += row.Filtered
		sum.Unattributed += row.Unattributed
		sum.Overflowed += row.Overflowed
		sum.Spilled += row.Spilled
		sum.Unowned += row.Unowned
	}
	if l.runs != nil {
		err = l.runs.addOutcomes(&sum)
	}
	return sum, err
}
