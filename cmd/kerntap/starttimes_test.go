package main

import (
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// startOf awaits a point of kerntap.tcp.connections of a command in a collector's file that starts after a time, and
// returns when it starts and what it counts.
func startOf(t *testing.T, file, command string, after time.Time) (start pcommon.Timestamp, value int64) {
	t.Helper()
	bpftest.Until(t, "the metric of "+command+" arrives", func() bool {
		for _, request := range requestsIn(t, file) {
			for metric := range metricsOf(request) {
				if metric.Name() != "kerntap.tcp.connections" {
					continue
				}
				for _, point := range metric.Sum().DataPoints().All() {
					if name, ok := point.Attributes().Get("kerntap.command"); ok && name.Str() == command {
						start, value = point.StartTimestamp(), point.IntValue()
					}
				}
			}
		}
		return start.AsTime().After(after)
	})
	return start, value
}

// What is told over OTLP goes on where a collector starts anew, and starts anew itself with kerntap: a backend takes
// neither for a jump.
func TestStartTimesAreNewWithKerntapAlone(t *testing.T) {
	const command = "kt-starts"
	ns, collector := newPlace(t), newOtelcol(t)
	collector.onSocket(t)
	collector.start(t)
	start := func() *isolated { return ns.start(t, otlpTo("grpc", collector.grpc), "--metric-interval", "200ms") }
	began := time.Now()
	kerntap := start()
	dialOnce := func() { ns.StartHelper(t, command, "dial", "127.0.0.1:7").End(t) }
	dialOnce()
	first, _ := startOf(t, collector.file, command, began)

	collector.kill(t)
	dialOnce()
	collector.start(t)
	again, value := startOf(t, collector.file, command, began)
	if again != first {
		t.Errorf("the start was %s before the collector was, and is %s", first.AsTime(), again.AsTime())
	}
	bpftest.Until(t, "what happened meanwhile is counted", func() bool {
		again, value = startOf(t, collector.file, command, began)
		return value == 2
	})

	kerntap.stop(t)
	stopped := time.Now()
	start()
	dialOnce()
	anew, value := startOf(t, collector.file, command, stopped)
	if anew <= first || value != 1 {
		t.Errorf("kerntap starts anew at %s after %s, and counts %d", anew.AsTime(), first.AsTime(), value)
	}
}
