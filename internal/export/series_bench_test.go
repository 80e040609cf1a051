package export

import (
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// BenchmarkHandleKnownSeries is the way of a tally's one measurement into a series that is there already.
func BenchmarkHandleKnownSeries(b *testing.B) {
	counter := connectionOf("curl", "client", "refused")
	histogram := telemetry.Measurement{Metric: &telemetry.TCPConnectDuration, Labels: counter.Labels,
		Distribution: distributionOf(0.000035)}
	for _, bench := range []struct {
		name string
		m    telemetry.Measurement
	}{{"counter", counter}, {"histogram", histogram}} {
		b.Run(bench.name, func(b *testing.B) {
			p := start(b, Options{})
			for i := range 1000 {
				p.Handle(measuring(measureOf(bench.m.Metric, 1, command(i))))
			}
			e := &stretch{event: measuring(bench.m)}
			p.Handle(e)
			b.ReportAllocs()
			for b.Loop() {
				p.Handle(e)
			}
		})
	}
}

// BenchmarkCollect is one collection of 2,000 series of which all have changed, and its acknowledgement.
func BenchmarkCollect(b *testing.B) {
	delta := formFor(TemporalityDelta, false)
	exponential := formFor(TemporalityDelta, true)
	for _, bench := range []struct {
		name   string
		metric *telemetry.Metric
		form   form
	}{
		{"counter/cumulative", &telemetry.TCPConnections, form{}},
		{"counter/delta", &telemetry.TCPConnections, delta},
		{"explicit/cumulative", &telemetry.TCPConnectDuration, form{}},
		{"explicit/delta", &telemetry.TCPConnectDuration, delta},
		{"exponential/delta", &telemetry.TCPConnectDuration, exponential},
	} {
		b.Run(bench.name, func(b *testing.B) {
			table := newTable(b, &hand{}, nil, bench.form)
			change := func() {
				for i := range maxSeries {
					table.addNow(measureOf(bench.metric, 0.001+float64(i%10), command(i)))
				}
			}
			change()
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				change()
				b.StartTimer()
				if _, err := table.producers[0].Produce(b.Context()); err != nil {
					b.Fatal(err)
				}
				table.producers[0].acknowledge()
			}
		})
	}
}

// BenchmarkSeriesMemory is the heap of 2,000 series of one metric with two readers of delta temporality.
func BenchmarkSeriesMemory(b *testing.B) {
	for _, m := range []*telemetry.Metric{&telemetry.TCPConnections, &telemetry.TCPConnectDuration} {
		b.Run(m.Name, func(b *testing.B) {
			for b.Loop() {
				before := heap()
				table := newTable(b, &hand{passed: time.Second}, nil, formFor(TemporalityDelta, false), formFor(TemporalityDelta, true))
				for i := range maxSeries {
					table.addNow(measureOf(m, 1, command(i)))
				}
				for _, p := range table.producers {
					collect(b, p)
				}
				b.ReportMetric(float64(heap()-before)/(1<<20), "MiB/table")
				if n, _ := table.all()[0].size(); n != maxSeries {
					b.Errorf("%d series", n)
				}
			}
		})
	}
}
