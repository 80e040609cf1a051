package export

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// manyMetrics are two scopes with metrics of every kind that kerntap has, of n points each.
func manyMetrics(n int) *metricdata.ResourceMetrics {
	set := func(i int) attribute.Set {
		return attribute.NewSet(attribute.String("container.id", strings.Repeat("c", 64)), attribute.Int("number", i))
	}
	var sums, gauges []metricdata.DataPoint[int64]
	var histograms []metricdata.HistogramDataPoint[float64]
	var exponentials []metricdata.ExponentialHistogramDataPoint[float64]
	for i := range n {
		sums = append(sums, metricdata.DataPoint[int64]{Attributes: set(i), Value: int64(i)})
		gauges = append(gauges, metricdata.DataPoint[int64]{Attributes: set(i), Value: -1})
		histograms = append(histograms, metricdata.HistogramDataPoint[float64]{Attributes: set(i), Count: 1 << 60,
			Bounds: durationBounds(), BucketCounts: make([]uint64, len(durationBounds())+1)})
		exponentials = append(exponentials, metricdata.ExponentialHistogramDataPoint[float64]{Attributes: set(i),
			PositiveBucket: metricdata.ExponentialBucket{Counts: []uint64{1 << 60, 2, 3}}})
	}
	metrics := []metricdata.Metrics{
		{Name: "sum", Data: metricdata.Sum[int64]{DataPoints: sums, IsMonotonic: true}},
		{Name: "gauge", Data: metricdata.Gauge[int64]{DataPoints: gauges}},
		{Name: "histogram", Data: metricdata.Histogram[float64]{DataPoints: histograms}},
		{Name: "exponential", Data: metricdata.ExponentialHistogram[float64]{DataPoints: exponentials}},
	}
	return &metricdata.ResourceMetrics{
		Resource: resource.NewSchemaless(attribute.String("service.name", "kerntap")),
		ScopeMetrics: []metricdata.ScopeMetrics{
			{Scope: instrumentation.Scope{Name: "one"}, Metrics: metrics},
			{Scope: instrumentation.Scope{Name: "two"}, Metrics: metrics},
		},
	}
}

// told counts every point of every metric of every scope.
func toldBy(all ...*metricdata.ResourceMetrics) map[string]int {
	points := make(map[string]int)
	for _, metrics := range all {
		scopes := toMetrics(metrics).ResourceMetrics().At(0).ScopeMetrics()
		for s := range scopes.Len() {
			for m := range scopes.At(s).Metrics().Len() {
				metric := scopes.At(s).Metrics().At(m)
				one := pmetric.NewMetrics()
				metric.CopyTo(one.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty())
				points[fmt.Sprint(scopes.At(s).Scope().Name(), " ", metric.Name(), " ", metric.Type())] += one.DataPointCount()
			}
		}
	}
	return points
}

func wholes(divided []part) (all []*metricdata.ResourceMetrics) {
	for _, part := range divided {
		all = append(all, part.ResourceMetrics)
	}
	return all
}

func TestMetricsAreDividedIntoRequestsThatFit(t *testing.T) {
	sizer := pmetric.ProtoMarshaler{}
	for _, n := range []int{0, 1, 7, 300} {
		whole := manyMetrics(n)
		for _, limit := range []int{1, 500, 4000, 60_000, maxRequest} {
			divided := parts(whole, limit)
			for i, part := range divided {
				size := sizer.MetricsSize(toMetrics(part.ResourceMetrics))
				if points := toMetrics(part.ResourceMetrics).DataPointCount(); size > limit && points > 1 {
					t.Errorf("%d points, limit %d: request %d of %d points takes %d bytes", n, limit, i, points, size)
				}
			}
			if got, want := toldBy(wholes(divided)...), toldBy(whole); n > 0 && fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%d points, limit %d: %v, want %v", n, limit, got, want)
			}
			if limit == maxRequest && len(divided) != 1 {
				t.Errorf("%d points became %d requests", n, len(divided))
			}
		}
	}
}

// requestsWithMetrics returns what came so far.
func (r *receiver) requestsWithMetrics() []pmetric.Metrics {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.metrics)
}

// Two thousand series of each metric, told apart by a container and a long name, are more than a collector takes in one request.
func TestFullTablesOfSeriesReachACollector(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		var collector receiver
		o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
		o.LogsOTLP, o.MetricInterval = nil, time.Hour
		p := begin(t, o)
		metrics := []*telemetry.Metric{&telemetry.TCPConnections, &telemetry.TCPConnectDuration,
			&telemetry.TCPConnectionDuration, &telemetry.PacketDrops, &telemetry.PacketDropIO}
		for _, metric := range metrics {
			for i := range maxSeries {
				m := telemetry.Measurement{Metric: metric, Value: 1, Labels: telemetry.LabelSet(
					telemetry.Label{Key: telemetry.Command, Value: fmt.Sprint("command-", i)},
					telemetry.Label{Key: telemetry.ContainerID, Value: fmt.Sprintf("%064d", i)},
					telemetry.Label{Key: telemetry.K8SPodUID, Value: fmt.Sprintf("%0136d", i)})}
				if metric.Kind == telemetry.Histogram {
					m.Value, m.Distribution = 0, &telemetry.Distribution{Count: 1, Sum: 1}
				}
				p.Handle(measuring(m))
			}
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		points := make(map[string]int)
		requests := collector.requestsWithMetrics()
		for _, request := range requests {
			for name, n := range namesOf(request) {
				points[name] += n
			}
		}
		for _, metric := range metrics {
			if points[metric.Name] != maxSeries {
				t.Errorf("%d points of %s arrived, want %d", points[metric.Name], metric.Name, maxSeries)
			}
		}
		// The last request is a rest; the others are as large as they may be.
		if s := p.Status()[0].Metrics; len(s.Failed) > 0 || len(requests) < 2 || collector.largest > 4<<20 || collector.largest < 2<<20 {
			t.Errorf("%+v, %d requests, the largest of %d bytes", s, len(requests), collector.largest)
		}
	})
}

func TestAHostNamedLikeASchemeIsAHost(t *testing.T) {
	for endpoint, want := range map[string]string{
		"dns:4317": "dns:///dns:4317", "unix:4317": "dns:///unix:4317", "[::1]:4317": "dns:///[::1]:4317",
		"unix:///run/otlp.sock": "unix:///run/otlp.sock",
	} {
		if got := (&OTLP{Endpoint: endpoint}).target(); got != want {
			t.Errorf("%s: %s, want %s", endpoint, got, want)
		}
	}
}
