package export

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// selfInstruments tell what kerntap saw and what it lost.
type selfInstruments struct {
	events, records metric.Int64ObservableCounter
	up, rows        metric.Int64ObservableGauge
	reductions      metric.Int64ObservableGauge
}

// observePrograms makes every reader of the meter ask the programs. The outcomes of kerntap.program.events add up to
// what a program saw, those of kerntap.program.records to what it recorded and is no longer under way.
func observePrograms(meter metric.Meter, programs func() []bpf.Status) error {
	s, err := newSelfInstruments(meter)
	if err != nil {
		return fmt.Errorf("make self-telemetry: %w", err)
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, status := range programs() {
			s.observe(o, status)
		}
		return nil
	}, s.events, s.records, s.up, s.rows, s.reductions)
	if err != nil {
		return fmt.Errorf("register self-telemetry: %w", err)
	}
	return nil
}

func newSelfInstruments(meter metric.Meter) (s selfInstruments, err error) {
	if s.events, err = newObservableCounter(meter, &telemetry.ProgramEvents); err != nil {
		return s, err
	}
	if s.records, err = newObservableCounter(meter, &telemetry.ProgramRecords); err != nil {
		return s, err
	}
	if s.up, err = newObservableGauge(meter, &telemetry.ProgramUp); err != nil {
		return s, err
	}
	if s.rows, err = newObservableGauge(meter, &telemetry.ProgramLedgerRows); err != nil {
		return s, err
	}
	s.reductions, err = newObservableGauge(meter, &telemetry.ProgramReductions)
	return s, err
}

func newObservableCounter(meter metric.Meter, m *telemetry.Metric) (metric.Int64ObservableCounter, error) {
	return meter.Int64ObservableCounter(m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.Description))
}

func newObservableGauge(meter metric.Meter, m *telemetry.Metric) (metric.Int64ObservableGauge, error) {
	return meter.Int64ObservableGauge(m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.Description))
}

// observe reports one program.
func (s selfInstruments) observe(o metric.Observer, status bpf.Status) {
	name := attribute.String(telemetry.ProgramName, status.Name)
	count := func(counter metric.Int64Observable, outcome string, n uint64) {
		o.ObserveInt64(counter, int64(n), metric.WithAttributes(name, attribute.String(telemetry.Outcome, outcome)))
	}
	count(s.events, telemetry.OutcomeRecorded, status.Stats.Recorded)
	count(s.events, telemetry.OutcomeThrottled, status.Stats.Throttled)
	count(s.events, telemetry.OutcomeCounted, status.Stats.Counted)
	count(s.events, telemetry.OutcomeFiltered, status.Stats.Filtered)
	count(s.events, telemetry.OutcomeLost, status.Stats.Lost)
	count(s.events, telemetry.OutcomeMissed, status.Stats.Missed)
	count(s.records, telemetry.OutcomeDelivered, status.Stats.Delivered)
	count(s.records, telemetry.OutcomeUndecodable, status.Stats.Undecodable)
	count(s.records, telemetry.OutcomeDropped, status.Stats.Dropped)
	var up int64
	if status.State == bpf.Running {
		up = 1
	}
	o.ObserveInt64(s.up, up, metric.WithAttributes(name))
	o.ObserveInt64(s.rows, int64(status.Stats.LedgerRows), metric.WithAttributes(name))
	for _, reduction := range status.Reductions {
		o.ObserveInt64(s.reductions, 1,
			metric.WithAttributes(name, attribute.String(telemetry.Reduction, reduction.Name)))
	}
}
