package bpftest

import (
	"net"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// NameServer answers every name with 127.0.0.1, or with an error while it is gone.
type NameServer struct {
	Gone  atomic.Bool
	Asked atomic.Int32

	conn net.PacketConn
}

// StartNameServer serves until the test ends, and closes conn then.
func StartNameServer(t testing.TB, conn net.PacketConn) *NameServer {
	s, ended := &NameServer{conn: conn}, make(chan struct{})
	go func() {
		defer close(ended)
		s.serve()
	}()
	t.Cleanup(func() {
		conn.Close()
		<-ended
	})
	return s
}

// Address is where it can be asked.
func (s *NameServer) Address() string { return s.conn.LocalAddr().String() }

func (s *NameServer) serve() {
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
		s.Asked.Add(1)
		if answer, err := s.answer(m); err == nil {
			_, _ = s.conn.WriteTo(answer, from)
		}
	}
}

func (s *NameServer) answer(m dnsmessage.Message) ([]byte, error) {
	m.Response, m.Additionals = true, nil
	question := m.Questions[0]
	switch {
	case s.Gone.Load():
		m.RCode = dnsmessage.RCodeServerFailure
	case question.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 1},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
	}
	return m.Pack()
}
