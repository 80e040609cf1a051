package export

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// resolveWith has this process ask a name server until the test ends.
func resolveWith(t *testing.T, s *bpftest.NameServer) {
	t.Helper()
	preferGo, dial := net.DefaultResolver.PreferGo, net.DefaultResolver.Dial
	net.DefaultResolver.PreferGo = true
	net.DefaultResolver.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", s.Address())
	}
	t.Cleanup(func() { net.DefaultResolver.PreferGo, net.DefaultResolver.Dial = preferGo, dial })
}

// The name is not known at first, then it is, then the collector and its name are gone, and come back.
func TestANameThatIsGoneIsAskedForAgain(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		names := bpftest.StartNameServer(t, conn)
		resolveWith(t, names)
		names.Gone.Store(true)
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
			names.Gone.Store(false)
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
			names.Gone.Store(true)
		}
		names.Gone.Store(false)
		collector.start(t, protocol, address)
		if s := p.Status()[0].Logs; s.Exported != uint64(sent) || names.Asked.Load() == 0 {
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
