package collector

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// traffic is what a client sent by gRPC: requests, and the bytes of their frames, which are those on the wire without TCP's
// and IP's headers.
type traffic struct{ requests, bytes int64 }

// meter passes gRPC on, and counts it by signal and by listener.
type meter struct {
	mu   sync.Mutex
	seen map[string]map[net.Listener]traffic
}

func newMeter() *meter {
	return &meter{seen: map[string]map[net.Listener]traffic{"logs": {}, "metrics": {}}}
}

// sum is what was sent of a signal, through all listeners.
func (m *meter) sum(signal string) (all traffic) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, seen := range m.seen[signal] {
		all.requests += seen.requests
		all.bytes += seen.bytes
	}
	return all
}

// through is how many requests came through a listener.
func (m *meter) through(listener net.Listener) (requests int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, listeners := range m.seen {
		requests += listeners[listener].requests
	}
	return requests
}

// pass hands what comes to a listener to an address until the test ends.
func (m *meter) pass(t *testing.T, listener net.Listener, address string) {
	var passing sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		passing.Wait()
	})
	passing.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", address)
			if err != nil {
				client.Close()
				continue
			}
			read, write := io.Pipe()
			passing.Go(func() { m.count(read, listener) })
			passing.Go(func() {
				_, _ = io.Copy(server, io.TeeReader(client, write))
				write.Close()
				server.Close()
			})
			passing.Go(func() {
				_, _ = io.Copy(client, server)
				client.Close()
			})
		}
	})
}

// count reads the client's frames. What it cannot read it lets pass.
func (m *meter) count(from io.Reader, listener net.Listener) {
	defer func() { _, _ = io.Copy(io.Discard, from) }()
	if _, err := io.CopyN(io.Discard, from, int64(len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(io.Discard, from)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	const header = 9 // of a frame
	signals := make(map[uint32]string)
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		id := frame.Header().StreamID
		added := traffic{bytes: int64(frame.Header().Length) + header}
		if start, ok := frame.(*http2.MetaHeadersFrame); ok {
			signals[id] = "metrics"
			if strings.Contains(start.PseudoValue("path"), ".logs.") {
				signals[id] = "logs"
			}
			added.requests = 1
		}
		if signal := signals[id]; signal != "" {
			m.mu.Lock()
			seen := m.seen[signal][listener]
			m.seen[signal][listener] = traffic{seen.requests + added.requests, seen.bytes + added.bytes}
			m.mu.Unlock()
		}
	}
}
