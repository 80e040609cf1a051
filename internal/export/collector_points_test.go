package export

import (
	"encoding/json"
	"slices"
	"testing"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// pointsTold returns every point with all that is said of it and its metric, but for the times, which are those of
// each reader's own collection, and but for the metrics that tell of destinations.
func pointsTold(t *testing.T, metrics pmetric.Metrics) []string {
	t.Helper()
	text, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(metrics)
	if err != nil {
		t.Fatal(err)
	}
	var request struct {
		ResourceMetrics []struct {
			Resource     any
			ScopeMetrics []struct {
				Scope     any
				Metrics   []map[string]any
				SchemaURL string
			}
			SchemaURL string
		}
	}
	if err := json.Unmarshal(text, &request); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, res := range request.ResourceMetrics {
		for _, scope := range res.ScopeMetrics {
			for _, metric := range scope.Metrics {
				if name := metric["name"]; name == telemetry.ExporterRecords.Name || name == telemetry.ProgramQueued.Name {
					continue
				}
				for _, point := range takePoints(metric) {
					delete(point, "timeUnixNano")
					delete(point, "startTimeUnixNano")
					line, err := json.Marshal([]any{res.Resource, res.SchemaURL, scope.Scope, scope.SchemaURL, metric, point})
					if err != nil {
						t.Fatal(err)
					}
					lines = append(lines, string(line))
				}
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// takePoints takes the points out of a metric.
func takePoints(metric map[string]any) (points []map[string]any) {
	for _, data := range metric {
		if data, ok := data.(map[string]any); ok {
			all, _ := data["dataPoints"].([]any)
			for _, point := range all {
				points = append(points, point.(map[string]any))
			}
			delete(data, "dataPoints")
		}
	}
	return points
}
