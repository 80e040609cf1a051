package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
	"github.com/kerntap/kerntap/internal/kernel"
)

// excluding is a kerntap whose file says which reasons of drops it leaves out.
type excluding struct {
	*place
	*isolated
	file          string
	reloads       int
	lost, refused float64 // that it is to have counted
}

func startExcluding(t *testing.T) *excluding {
	t.Helper()
	e := &excluding{place: newPlace(t), file: filepath.Join(t.TempDir(), "kerntap.yaml")}
	e.Firewall(t, "add table ip t; add chain ip t out { type filter hook output priority 0; }; add rule ip t out udp dport 9 drop")
	e.write(t, "")
	e.isolated = e.place.start(t, []string{"OTEL_SDK_DISABLED=true"}, "--config", e.file)
	return e
}

func (e *excluding) write(t *testing.T, excluded string) {
	t.Helper()
	yaml := "programs: {packet_drop: {exclude: [" + excluded + "]}}\n"
	if err := os.WriteFile(e.file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (e *excluding) reload(t *testing.T, excluded string) {
	t.Helper()
	e.write(t, excluded)
	if err := e.process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	e.reloads++
	bpftest.Until(t, "the file is read again", func() bool {
		return strings.Count(e.said.String(), "the new configuration is in force") == e.reloads
	})
}

// counts is how many drops are lost and refused, and how many of any namespace are filtered.
func (e *excluding) counts(t *testing.T) (lost, refused, filtered float64) {
	t.Helper()
	const drops = "kerntap_packet_drops_total{"
	for _, n := range scrapedAll(t, e.api, drops, `"NETFILTER_DROP"`, `kerntap_drop_class="loss"`) {
		lost += n
	}
	for _, n := range scrapedAll(t, e.api, drops, `"NO_SOCKET"`, `kerntap_drop_class="refused"`) {
		refused += n
	}
	return lost, refused, scraped(t, e.api, "kerntap_program_events_total{", `"packet_drop"`, `"filtered"`)
}

// send sends to a port that the firewall drops and to one that is closed, and looks for what is told of it.
func (e *excluding) send(t *testing.T, isExcluded bool) {
	t.Helper()
	const each = 7
	_, _, before := e.counts(t)
	sendDatagrams(t, e.place, 40012, each)
	sendDatagrams(t, e.place, 9, each) // the later ones: with them the others are drained too
	if e.lost += each; !isExcluded {
		e.refused += each
	}
	bpftest.Until(t, "the drops are counted", func() bool {
		lost, refused, _ := e.counts(t)
		return lost >= e.lost && refused >= e.refused
	})
	lost, refused, filtered := e.counts(t)
	if lost != e.lost || refused != e.refused || isExcluded && filtered-before < each {
		t.Errorf("%g are lost, %g refused and %g more filtered, want %g and %g", lost, refused, filtered-before, e.lost, e.refused)
	}
}

// Which drops are left out follows the file and the signal: those of a closed port are refused, then filtered, then refused
// again, while those of the firewall stay lost all the time.
func TestExclusionsFollowAReload(t *testing.T) {
	bpftest.RequireFeature(t, kernel.DropReasons)
	e := startExcluding(t)
	e.send(t, false)
	e.reload(t, "NO_SOCKET")
	e.send(t, true)
	e.reload(t, "")
	e.send(t, false)
	if said := e.said.String(); strings.Contains(said, "does not follow") || strings.Contains(said, "takes a restart") {
		t.Error(said)
	}
}

// sendDatagrams sends to a port of loopback from a socket that hears of no refusal.
func sendDatagrams(t *testing.T, ns *place, port, n int) {
	t.Helper()
	var err error
	ns.Do(func() {
		var socket net.PacketConn
		if socket, err = net.ListenPacket("udp4", "127.0.0.1:0"); err != nil {
			return
		}
		defer socket.Close()
		for range n {
			// the firewall's EPERM is what is wanted
			_, _ = socket.WriteTo([]byte("dropped"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
