package collector

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// told is what collectors wrote of one kerntap.
type told struct {
	records, failed, points int
	// series are the points' identities, and how many series Prometheus makes of each.
	series map[string]int
}

// prometheus is how many series a Prometheus has of it.
func (w told) prometheus() (n int) {
	for _, of := range w.series {
		n += of
	}
	return n
}

// String says what the node has told, for people.
func (w told) String() string {
	return fmt.Sprintf("%d series (%d of its commands; %d series in Prometheus), %d records", len(w.series), w.ofCommands(), w.prometheus(), w.records)
}

// ofCommands is how many series are of what runs on the node, and not of kerntap itself.
func (w told) ofCommands() (n int) {
	for identity := range w.series {
		if !strings.HasPrefix(identity, "kerntap.program") && !strings.HasPrefix(identity, "kerntap.exporter") && !strings.HasPrefix(identity, "kerntap.series") {
			n++
		}
	}
	return n
}

// read is what stands in the files of collectors, in whole lines.
func read(t *testing.T, from ...collector) told {
	t.Helper()
	w := told{series: make(map[string]int)}
	for _, c := range from {
		for line := range bytes.Lines(c.text(t)) {
			if !bytes.HasSuffix(line, []byte("\n")) {
				continue
			}
			if bytes.HasPrefix(line, []byte(`{"resourceLogs"`)) {
				w.logs(t, line)
			} else {
				w.metrics(t, line)
			}
		}
	}
	return w
}

func (c collector) text(t *testing.T) (all []byte) {
	t.Helper()
	for _, file := range c.files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	return all
}

func (w *told) logs(t *testing.T, line []byte) {
	t.Helper()
	request, err := new(plog.JSONUnmarshaler).UnmarshalLogs(line)
	if err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	for _, resource := range request.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				w.records++
				if record.EventName() == "kerntap.tcp.connection.failed" {
					w.failed++
				}
			}
		}
	}
}

func (w *told) metrics(t *testing.T, line []byte) {
	t.Helper()
	request, err := new(pmetric.JSONUnmarshaler).UnmarshalMetrics(line)
	if err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	for _, resource := range request.ResourceMetrics().All() {
		for _, scope := range resource.ScopeMetrics().All() {
			for _, metric := range scope.Metrics().All() {
				w.metric(metric)
			}
		}
	}
}

func (w *told) metric(metric pmetric.Metric) {
	one := func(attributes pcommon.Map, series int) {
		var identity strings.Builder
		identity.WriteString(metric.Name())
		for key, value := range attributes.All() {
			identity.WriteString(" " + key + "=" + value.AsString())
		}
		w.points++
		w.series[identity.String()] = series
	}
	switch metric.Type() {
	case pmetric.MetricTypeSum:
		for _, point := range metric.Sum().DataPoints().All() {
			one(point.Attributes(), 1)
		}
	case pmetric.MetricTypeGauge:
		for _, point := range metric.Gauge().DataPoints().All() {
			one(point.Attributes(), 1)
		}
	case pmetric.MetricTypeHistogram:
		for _, point := range metric.Histogram().DataPoints().All() {
			one(point.Attributes(), point.BucketCounts().Len()+2) // a bucket each, sum and count
		}
	}
}
