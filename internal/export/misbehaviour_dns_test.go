package export

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer answers one name with 127.0.0.1, or with an error while it is gone.
type nameServer struct {
	conn  net.PacketConn
	gone  atomic.Bool
	asked atomic.Int32
	ended chan struct{}
}

func startNameServer(t *testing.T) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{conn: conn, ended: make(chan struct{})}
	go s.serve()
	t.Cleanup(func() {
		conn.Close()
		<-s.ended
	})
	return s
}

func (s *nameServer) serve() {
	defer close(s.ended)
	buffer := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buffer[:n]) != nil || len(m.Questions) == 0 {
			continue
		}
		s.asked.Add(1)
		m.Response, m.Additionals = true, nil
		question := m.Questions[0]
		switch {
		case s.gone.Load():
			m.RCode = dnsmessage.RCodeServerFailure
		case question.Type == dnsmessage.TypeA:
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
		}
		if answer, err := m.Pack(); err == nil {
			_, _ = s.conn.WriteTo(answer, from)
		}
	}
}

// resolveWith has this process ask a name server until the test ends.
func resolveWith(t *testing.T, s *nameServer) {
	t.Helper()
	preferGo, dial := net.DefaultResolver.PreferGo, net.DefaultResolver.Dial
	net.DefaultResolver.PreferGo = true
	net.DefaultResolver.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}
	t.Cleanup(func() { net.DefaultResolver.PreferGo, net.DefaultResolver.Dial = preferGo, dial })
}

// The name is not known at first, then it is, then the collector and its name are gone, and come back.
func TestANameThatIsGoneIsAskedForAgain(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		names := startNameServer(t)
		resolveWith(t, names)
		names.gone.Store(true)
		var collector receiver
		address := collector.start(t, protocol, "127.0.0.1:0")
		o := soon(protocol, strings.Replace(address, "127.0.0.1", "collector.example.com", 1))
		o.Programs = somePrograms
		p := begin(t, o)
		sent := 0
		for range 2 {
			handleNumbered(p, sent, sent+10)
			sent += 10
			awaitWaiting(t, p)
			names.gone.Store(false)
			began := time.Now()
			if sent > 10 {
				collector.start(t, protocol, address)
			}
			collector.await(t, sent)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s passed until the name was found again", took)
			}
			awaitSettled(t, p)
			collector.stop()
			names.gone.Store(true)
		}
		names.gone.Store(false)
		collector.start(t, protocol, address)
		if s := p.Status()[0].Logs; s.Exported != uint64(sent) || names.asked.Load() == 0 {
			t.Errorf("%+v", s)
		}
		checkTold(t, p, &collector)
	})
}

// awaitWaiting returns once the collector is waited for.
func awaitWaiting(t *testing.T, p *Pipeline) {
	t.Helper()
	for deadline := time.After(patience); !p.Status()[0].Waiting; {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			t.Fatalf("nobody waits: %+v", p.Status()[0])
		}
	}
}
