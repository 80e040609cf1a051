package collector

import (
	"net"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// startNames answers every name with both addresses, as a cluster answers that of a Service without an address of its own,
// and returns where.
func startNames(t *testing.T, addresses ...[4]byte) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		conn.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer, ok := answerTo(buffer[:n], addresses); ok {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

func answerTo(query []byte, addresses [][4]byte) ([]byte, bool) {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) == 0 {
		return nil, false
	}
	m.Response, m.Additionals = true, nil
	question := m.Questions[0]
	if question.Type == dnsmessage.TypeA {
		for _, address := range addresses {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 1},
				Body:   &dnsmessage.AResource{A: address}})
		}
	}
	answer, err := m.Pack()
	return answer, err == nil
}
