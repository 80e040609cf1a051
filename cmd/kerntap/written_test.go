package main

import (
	"errors"
	"io/fs"
	"iter"
	"os"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// lines are the whole lines of a collector's file, each a request of its own.
func lines(t *testing.T, file string) []string {
	t.Helper()
	written, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the collector makes it when it has something to write
	}
	if err != nil {
		t.Fatal(err)
	}
	all := strings.SplitAfter(string(written), "\n")
	return all[:len(all)-1] // the last is empty, or still being written
}

// failuresIn returns the records of failed connects of a command in a collector's file.
func failuresIn(t *testing.T, file, command string) []map[string]string {
	t.Helper()
	var found []map[string]string
	for _, line := range lines(t, file) {
		for _, record := range records(t, line) {
			if record["event"] == "kerntap.tcp.connection.failed" && record["kerntap.command"] == command {
				found = append(found, record)
			}
		}
	}
	return found
}

// requestsIn are the requests with metrics in a collector's file.
func requestsIn(t *testing.T, file string) (all []pmetric.Metrics) {
	t.Helper()
	for _, line := range lines(t, file) {
		if !strings.Contains(line, "resourceMetrics") {
			continue
		}
		request, err := (&pmetric.JSONUnmarshaler{}).UnmarshalMetrics([]byte(line))
		if err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, request)
	}
	return all
}

// metricsOf are the metrics of all resources and scopes of a request.
func metricsOf(request pmetric.Metrics) iter.Seq[pmetric.Metric] {
	return func(yield func(pmetric.Metric) bool) {
		for _, resource := range request.ResourceMetrics().All() {
			for _, scope := range resource.ScopeMetrics().All() {
				for _, metric := range scope.Metrics().All() {
					if !yield(metric) {
						return
					}
				}
			}
		}
	}
}

// connectionsIn returns the sum of kerntap.tcp.connections of a command in a collector's file, in the last request that
// has it: it is cumulative.
func connectionsIn(t *testing.T, file, command string) (sum int64) {
	t.Helper()
	for _, request := range requestsIn(t, file) {
		sum = connections(request, command)
	}
	return sum
}

func connections(request pmetric.Metrics, command string) (sum int64) {
	for metric := range metricsOf(request) {
		if metric.Name() != "kerntap.tcp.connections" {
			continue
		}
		for _, point := range metric.Sum().DataPoints().All() {
			if value, ok := point.Attributes().Get("kerntap.command"); ok && value.Str() == command {
				sum += point.IntValue()
			}
		}
	}
	return sum
}
