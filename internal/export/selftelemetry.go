package export

import (
	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// teller says what somebody else counts: the whole of a counter, or a gauge as it is now.
type teller func(m *telemetry.Metric, value uint64, labels ...telemetry.Label)

// observer tells values whenever a reader collects. It must be safe for concurrent use.
type observer func(tell teller)

// observers are kerntap's words about itself. They pass through the table of series like all others: the SDK's own
// instruments forget what an export carried, whether it arrived or not.
func (p *Pipeline) observers(o Options, table *seriesTable) []observer {
	all := []observer{table.observeSize, func(tell teller) { observeExports(tell, p.Status()) }, p.observeQueues}
	if o.Programs != nil {
		all = append(all, func(tell teller) {
			for _, status := range o.Programs() {
				observeProgram(tell, &status)
			}
		})
	}
	return all
}

// observeProgram tells of one program. The outcomes of kerntap.program.events add up to what it saw, those of
// kerntap.program.records to what it recorded and is no longer under way.
func observeProgram(tell teller, status *bpf.Status) {
	name := telemetry.Label{Key: telemetry.ProgramName, Value: status.Name}
	count := func(m *telemetry.Metric, outcome string, n uint64) {
		tell(m, n, name, telemetry.Label{Key: telemetry.Outcome, Value: outcome})
	}
	count(&telemetry.ProgramEvents, telemetry.OutcomeRecorded, status.Stats.Recorded)
	count(&telemetry.ProgramEvents, telemetry.OutcomeThrottled, status.Stats.Throttled)
	count(&telemetry.ProgramEvents, telemetry.OutcomeCounted, status.Stats.Counted)
	count(&telemetry.ProgramEvents, telemetry.OutcomeFiltered, status.Stats.Filtered)
	count(&telemetry.ProgramEvents, telemetry.OutcomeLost, status.Stats.Lost)
	count(&telemetry.ProgramEvents, telemetry.OutcomeMissed, status.Stats.Missed)
	count(&telemetry.ProgramRecords, telemetry.OutcomeDelivered, status.Stats.Delivered)
	count(&telemetry.ProgramRecords, telemetry.OutcomeUndecodable, status.Stats.Undecodable)
	count(&telemetry.ProgramRecords, telemetry.OutcomeDropped, status.Stats.Dropped)
	var up uint64
	if status.State == bpf.Running {
		up = 1
	}
	tell(&telemetry.ProgramUp, up, name)
	tell(&telemetry.ProgramLedgerRows, status.Stats.LedgerRows, name)
	for _, shortage := range []struct {
		of string
		n  uint64
	}{
		{"row", status.Stats.Overflowed}, {"distribution", status.Stats.Spilled}, {"process", status.Stats.Unattributed},
		{"owner", status.Stats.Unowned},
	} {
		tell(&telemetry.ProgramShortages, shortage.n, name, telemetry.Label{Key: telemetry.Shortage, Value: shortage.of})
	}
	for _, reduction := range status.Reductions {
		tell(&telemetry.ProgramReductions, 1, name, telemetry.Label{Key: telemetry.Reduction, Value: reduction.Name})
	}
}

// observeSize tells how full the table of series is, and what it had no place for.
func (t *seriesTable) observeSize(tell teller) {
	for _, f := range t.all() {
		if f.told {
			continue
		}
		series, overflowed := f.size()
		name := telemetry.Label{Key: telemetry.MetricName, Value: f.metric.Name}
		tell(&telemetry.SeriesActive, uint64(series), name)
		tell(&telemetry.SeriesOverflows, overflowed, name)
	}
}
