package export

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// event is an event that says whatever a test wants.
type event struct {
	bpf.BaseEvent
	name     string
	severity telemetry.Severity
	body     string
	attrs    []telemetry.Attribute
	measured []telemetry.Measurement
	detail   bpf.Detail
}

var (
	_ bpf.Described = (*event)(nil)
	_ bpf.Measured  = (*event)(nil)
	_ bpf.Tallied   = (*event)(nil)
)

func (e *event) GetEventType() string         { return "test" }
func (e *event) EventName() string            { return e.name }
func (e *event) Severity() telemetry.Severity { return e.severity }
func (e *event) Body() string                 { return e.body }
func (e *event) Tally() uint64                { return 1 }
func (e *event) Detail() bpf.Detail           { return e.detail }

func (e *event) Attributes(dst []telemetry.Attribute) []telemetry.Attribute {
	return e.OwnerAttributes(append(dst, e.attrs...))
}

func (e *event) Measurements(dst []telemetry.Measurement) []telemetry.Measurement {
	return append(dst, e.measured...)
}

// bare is an event that neither describes itself nor measures anything.
type bare struct{ bpf.BaseEvent }

func (*bare) GetEventType() string { return "bare" }

// anEvent returns an exported event of a moment after the epoch of synctest's clock (2000-01-01).
func anEvent(after time.Duration) *event {
	return &event{
		BaseEvent: bpf.BaseEvent{
			PID: 4711, Command: "curl", Executable: "curl",
			Timestamp:  uint64(after),
			WallOffset: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(),
		},
		name:   telemetry.EventTCPClosed,
		body:   "curl[4711] ended its connection",
		detail: bpf.Exported,
	}
}

// fakeExporter takes log records as its export function says; without one it takes all.
type fakeExporter struct {
	export func(context.Context, []sdklog.Record) error

	mu     sync.Mutex
	bodies []string
	sizes  []int
	shut   int
}

func (f *fakeExporter) Export(ctx context.Context, records []sdklog.Record) error {
	f.mu.Lock()
	f.sizes = append(f.sizes, len(records))
	for i := range records {
		f.bodies = append(f.bodies, records[i].Body().AsString())
	}
	f.mu.Unlock()
	if f.export != nil {
		return f.export(ctx, records)
	}
	return nil
}

func (f *fakeExporter) ForceFlush(context.Context) error { return nil }

func (f *fakeExporter) Shutdown(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shut++
	return nil
}

// fakeMetrics keeps nothing of the metrics and returns err.
type fakeMetrics struct {
	jsonMetrics
	err error
}

func (f *fakeMetrics) Export(context.Context, *metricdata.ResourceMetrics) error { return f.err }

var _ sdkmetric.Exporter = (*fakeMetrics)(nil)

// toFake returns a destination for the exporter.
func toFake(logs sdklog.Exporter) destination {
	return destination{name: "fake", logs: logs, metrics: &fakeMetrics{}, logInterval: consoleLogInterval}
}

// start returns a pipeline to d that ends with the test.
func start(tb testing.TB, o Options, d ...destination) *Pipeline {
	tb.Helper()
	o, err := o.withDefaults()
	if err != nil {
		tb.Fatal(err)
	}
	p, err := newPipeline(o, d)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	return p
}

// pass lets time pass on synctest's clock, and everything happen that was to happen meanwhile.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// checkIdentity fails unless every emitted record is accounted for.
func checkIdentity(tb testing.TB, s LogStatus) {
	tb.Helper()
	sum := s.Exported + s.Queued
	for _, causes := range []map[string]uint64{s.Dropped, s.Failed} {
		for _, n := range causes {
			sum += n
		}
	}
	if sum != s.Emitted {
		tb.Errorf("%d records emitted, %d accounted for: %+v", s.Emitted, sum, s)
	}
}

// golden compares got with a file of testdata.
func golden(tb testing.TB, name string, got []byte) {
	tb.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		tb.Errorf("%s differs:\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// syncBuffer is a buffer that one goroutine may write while another reads.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}
