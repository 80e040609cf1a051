package export

import (
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// metricAdapter adds the measurements of events to their series. It belongs to one goroutine.
type metricAdapter struct {
	series *seriesTable
	now    func() time.Time

	measured []telemetry.Measurement
}

func newMetricAdapter(series *seriesTable, now func() time.Time) *metricAdapter {
	return &metricAdapter{series: series, now: now}
}

// handle adds what the event measured.
func (a *metricAdapter) handle(event bpf.BPFEvent) {
	measured, ok := event.(bpf.Measured)
	if !ok {
		return
	}
	a.measured = measured.Measurements(a.measured[:0])
	if len(a.measured) == 0 {
		return
	}
	now := a.now()
	for i := range a.measured {
		a.series.add(&a.measured[i], event, now)
	}
}
