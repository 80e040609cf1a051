package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/kerntap/kerntap/internal/api"
	"github.com/kerntap/kerntap/internal/export"
)

// exporterStatus sums the destinations: what one of them lost is lost.
func (e *engine) exporterStatus() api.ExporterStatus {
	status := api.ExporterStatus{Name: "none", Healthy: true, Causes: make(map[string]uint64)}
	var names, reasons []string
	for _, destination := range e.pipeline.Status() {
		names = append(names, destination.Destination)
		status.Destinations = append(status.Destinations, destinationStatus(destination))
		status.Emitted += destination.Logs.Emitted
		status.Exported += destination.Logs.Exported
		status.Dropped += sum(destination.Logs.Dropped, status.Causes)
		status.Failed += sum(destination.Logs.Failed, status.Causes)
		switch {
		case destination.Waiting:
			reasons = append(reasons, "waiting for "+destination.Destination)
		case destination.Metrics.Failing != "":
			reasons = append(reasons, "metrics are not taken by "+destination.Destination+": "+destination.Metrics.Failing)
		}
	}
	// What a program lost before it could be exported is missing at the destination all the same.
	lost := status.Dropped + status.Failed
	for _, program := range e.manager.Statuses() {
		lost += program.Stats.Lost + program.Stats.Dropped + program.Stats.Undecodable
	}
	if e.losses.recent(lost, time.Now()) {
		reasons = append(reasons, fmt.Sprintf("records were lost within the last minute, %d since the start", lost))
	}
	if len(names) > 0 {
		status.Name = strings.Join(names, ", ")
	}
	status.Healthy, status.Reason = len(reasons) == 0, strings.Join(reasons, "; ")
	return status
}

// destinationStatus says the same to the local API, signal by signal.
func destinationStatus(s export.Status) api.Destination {
	d := api.Destination{Name: s.Destination, Waiting: s.Waiting}
	if s.SendsLogs {
		d.Logs = &api.LogExports{Emitted: s.Logs.Emitted, Exported: s.Logs.Exported, Queued: s.Logs.Queued,
			Dropped: s.Logs.Dropped, Failed: s.Logs.Failed}
	}
	if s.SendsMetrics {
		d.Metrics = &api.MetricExports{Exported: s.Metrics.Exported, Failed: s.Metrics.Failed, Failing: s.Metrics.Failing}
	}
	return d
}

// sum returns the sum of counts by cause and adds each to all.
func sum(counts, all map[string]uint64) (total uint64) {
	for cause, n := range counts {
		all[cause] += n
		total += n
	}
	return total
}
