package export

import (
	"errors"
	"net"
	"sync"
	"testing"
)

// begun is how much of a request comes before its connection is reset: most of a batch is still to come then.
const begun = 30_000

// resetting is a listener whose connections are reset in the middle of what they are sent, as often as cuts says, or at
// once by cut.
type resetting struct {
	net.Listener
	mu     sync.Mutex
	cuts   int
	resets int
	open   []*resetConn
}

func (r *resetting) Accept() (net.Conn, error) {
	conn, err := r.Listener.Accept()
	if err != nil {
		return nil, err
	}
	wrapped := &resetConn{TCPConn: conn.(*net.TCPConn), listener: r}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, wrapped)
	return wrapped, nil
}

// take tells whether a connection that has got so much is to be reset.
func (r *resetting) take(got int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if got < begun || r.resets >= r.cuts {
		return false
	}
	r.resets++
	return true
}

// cut resets every connection that is open.
func (r *resetting) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range r.open {
		if conn.reset() == nil {
			r.resets++
		}
	}
	r.open = nil
}

func (r *resetting) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.resets
}

type resetConn struct {
	*net.TCPConn
	listener *resetting
	got      int
}

// reset ends the connection without a farewell. It fails if it has ended already.
func (c *resetConn) reset() error {
	return errors.Join(c.SetLinger(0), c.Close())
}

func (c *resetConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p[:min(len(p), 4096)])
	if c.got += n; c.listener.take(c.got) {
		_ = c.reset()
		return 0, errors.New("reset")
	}
	return n, err
}

func TestConnectionsThatAreResetInTheMiddleLoseNothing(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		var listener *resetting
		collector := receiver{wrap: func(l net.Listener) net.Listener {
			listener = &resetting{Listener: l, cuts: 3}
			return listener
		}}
		takenTooEarly := 0
		collector.taken = func() {
			if listener.count() < 3 {
				takenTooEarly++
			}
		}
		o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
		o.Programs, o.LogDelay = somePrograms, patience // full batches alone
		p := begin(t, o)
		handleNumbered(p, 0, misbehavedBatches*maxBatch)
		s := awaitSettled(t, p)
		if got := collector.distinct(); s.Exported != misbehavedBatches*maxBatch || got != misbehavedBatches*maxBatch {
			t.Errorf("%d arrived, %+v", got, s)
		}
		if listener.count() != 3 || takenTooEarly > 0 {
			t.Errorf("%d connections were reset, and %d batches taken before that", listener.count(), takenTooEarly)
		}
		checkTold(t, p, &collector)
	})
}

// What was taken and not answered comes again, and counts once: as exported.
func TestConnectionsThatAreResetBeforeTheAnswerLoseNothing(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		const unanswered = 2
		var listener *resetting
		collector := receiver{wrap: func(l net.Listener) net.Listener {
			listener = &resetting{Listener: l}
			return listener
		}}
		taken := 0
		collector.taken = func() {
			if taken++; taken <= unanswered {
				listener.cut()
			}
		}
		o := soon(protocol, collector.start(t, protocol, "127.0.0.1:0"))
		o.Programs, o.LogDelay = somePrograms, patience
		p := begin(t, o)
		handleNumbered(p, 0, misbehavedBatches*maxBatch)
		s := awaitSettled(t, p)
		checkIdentity(t, s)
		if s.Exported != misbehavedBatches*maxBatch || collector.distinct() != misbehavedBatches*maxBatch {
			t.Errorf("%d arrived, %+v", collector.distinct(), s)
		}
		if got := len(collector.bodies()); listener.count() < unanswered || got != (misbehavedBatches+unanswered)*maxBatch {
			t.Errorf("%d connections were reset, and %d records came in all", listener.count(), got)
		}
		checkTold(t, p, &collector)
	})
}
