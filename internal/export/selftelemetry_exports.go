package export

import "github.com/kerntap/kerntap/internal/telemetry"

// observeExports tells what became of log records, over all destinations. Together with what is queued the outcomes add
// up to what was emitted.
func observeExports(tell teller, all []Status) {
	for set, n := range outcomes(all) {
		tell(&telemetry.ExporterRecords, n, telemetry.Label{Key: telemetry.Outcome, Value: set.name},
			telemetry.Label{Key: telemetry.ErrorType, Value: set.cause})
	}
}

// observeQueues tells how many log records wait, for each destination by itself: one that does not take any fills its
// own queue.
func (p *Pipeline) observeQueues(tell teller) {
	for _, status := range p.Status() {
		if status.SendsLogs {
			tell(&telemetry.ProgramQueued, status.Logs.Queued,
				telemetry.Label{Key: telemetry.Destination, Value: status.Destination})
		}
	}
}

// outcome is what became of log records, and why.
type outcome struct{ name, cause string }

// outcomes sums the destinations.
func outcomes(all []Status) map[outcome]uint64 {
	sums := map[outcome]uint64{}
	for _, status := range all {
		if status.Logs.Emitted == 0 {
			continue
		}
		sums[outcome{name: telemetry.OutcomeExported}] += status.Logs.Exported
		for cause, n := range status.Logs.Dropped {
			sums[outcome{telemetry.OutcomeDropped, cause}] += n
		}
		for cause, n := range status.Logs.Failed {
			sums[outcome{telemetry.OutcomeFailed, cause}] += n
		}
	}
	return sums
}
