package export

import (
	"context"
	"testing"
	"time"
)

// A collector that is back just before the end gets what has waited for it, however long the next attempt would have
// been in coming.
func TestACollectorThatIsBackAtTheEndGetsEverything(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		var collector receiver
		address := collector.start(t, protocol, "127.0.0.1:0")
		o := soon(protocol, address)
		o.firstRetry, o.slowestRetry, o.Programs = time.Hour, time.Hour, somePrograms
		p := begin(t, o)
		handleNumbered(p, 0, 10)
		collector.await(t, 10)
		collector.stop()
		handleNumbered(p, 10, 20)
		awaitWaiting(t, p)
		collector.start(t, protocol, address)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if s := p.Status()[0].Logs; s.Exported != 20 || len(collector.bodies()) != 20 || collector.distinct() != 20 {
			t.Errorf("%d records arrived: %+v", len(collector.bodies()), s)
		}
		if s := p.Status()[0].Metrics; s.Exported == 0 || len(s.Failed) > 0 {
			t.Errorf("%+v", s)
		}
	})
}

// An attempt that is under way when the end comes is waited for, not made again: what it sent may have arrived.
func TestAnAttemptUnderWayAtTheEndIsNotRepeated(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		arrived, end := make(chan struct{}), make(chan struct{})
		collector := receiver{taken: func() {
			close(arrived) // a second request would close it again, and panic
			<-end
		}}
		o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
		o.Programs = somePrograms
		p := begin(t, o)
		handleNumbered(p, 0, 10)
		<-arrived
		time.AfterFunc(100*time.Millisecond, func() { close(end) })
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if s := p.Status()[0].Logs; s.Exported != 10 {
			t.Errorf("%+v", s)
		}
	})
}
