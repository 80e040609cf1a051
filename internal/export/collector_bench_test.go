package export

import (
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
)

// cpu is the processor time that this process has used.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// undecoded is the codec of a server that leaves requests as they came and answers with nothing, which is a valid
// answer. So a benchmark in one process counts what sending costs, not what a collector makes of it.
type undecoded struct{}

func (undecoded) Marshal(any) (mem.BufferSlice, error) { return nil, nil }
func (undecoded) Unmarshal(mem.BufferSlice, any) error { return nil }
func (undecoded) Name() string                         { return "proto" }

// swallow serves everything and returns its address.
func swallow(tb testing.TB) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(undecoded{}),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			if err := stream.RecvMsg(nil); err != nil {
				return err
			}
			return stream.SendMsg(nil)
		}))
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	tb.Cleanup(func() {
		server.Stop()
		serving.Wait()
	})
	return listener.Addr().String()
}

// BenchmarkCollector is the cost of a record over OTLP/gRPC.
func BenchmarkCollector(b *testing.B) {
	o := soon(ProtocolGRPC, swallow(b))
	o.MetricsOTLP, o.QueueSize = nil, 1<<22
	p := begin(b, o)
	event := benchEvent()
	event.measured = nil
	b.ReportAllocs()
	began := cpu(b)
	b.ResetTimer()
	for range b.N {
		p.Handle(event)
	}
	if err := p.Shutdown(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-began).Nanoseconds())/float64(b.N)/1000, "µs-cpu/record")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	if s := p.Status()[0].Logs; s.Exported != uint64(b.N) {
		b.Errorf("of %d records: %+v", b.N, s)
	}
}

// BenchmarkCollectorAt30000 sends 30,000 records a second for as long as the benchmark takes, with the default queue.
func BenchmarkCollectorAt30000(b *testing.B) {
	const rate, each = 30_000, 30
	o := soon(ProtocolGRPC, swallow(b))
	o.MetricsOTLP, o.LogDelay = nil, 0
	p := begin(b, o)
	event := benchEvent()
	event.measured = nil
	tick := time.NewTicker(time.Second / rate * each)
	defer tick.Stop()
	began := cpu(b)
	start, sent := time.Now(), 0
	for b.Loop() {
		<-tick.C
		for due := int(time.Since(start).Seconds() * rate); sent < due; sent++ { // ticks that were missed are made up for
			p.Handle(event)
		}
	}
	if err := p.Shutdown(b.Context()); err != nil {
		b.Fatal(err)
	}
	s := p.Status()[0].Logs
	b.ReportMetric(float64((cpu(b)-began).Nanoseconds())/float64(max(sent, 1))/1000, "µs-cpu/record")
	b.ReportMetric(float64(sent)/time.Since(start).Seconds(), "records/s")
	b.ReportMetric(float64(s.Emitted-s.Exported), "lost")
}
