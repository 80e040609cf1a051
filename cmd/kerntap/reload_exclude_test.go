package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kerntap/kerntap/internal/kernel"
)

// Which drops are left out follows the file and the signal: those of a closed port are refused, then filtered, then refused
// again, while those of the firewall stay lost all the time.
func TestExclusionsFollowAReload(t *testing.T) {
	ns := newPlace(t)
	if types, err := btf.LoadKernelSpec(); err != nil || kernel.DropReasons.Lost(types) != nil {
		t.Skip("this kernel gives no reasons")
	}
	ns.Firewall(t, "add table ip t; add chain ip t out { type filter hook output priority 0; }; "+
		"add rule ip t out udp dport 9 drop")
	file := filepath.Join(t.TempDir(), "kerntap.yaml")
	write := func(excluded string) {
		yaml := "programs: {packet_drop: {exclude: [" + excluded + "]}}\n"
		if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	kerntap := ns.start(t, []string{"OTEL_SDK_DISABLED=true"}, "--config", file)
	drops := func(reason, class string) (sum float64) {
		for _, n := range scrapedAll(t, ns.api, "kerntap_packet_drops_total{", `"`+reason+`"`, `kerntap_drop_class="`+class+`"`) {
			sum += n
		}
		return sum
	}
	filtered := func() float64 {
		return scraped(t, ns.api, "kerntap_program_events_total{", `"packet_drop"`, `"filtered"`)
	}
	const each = 7
	var lost, refused float64
	for i, excluded := range []string{"", "NO_SOCKET", ""} {
		if i > 0 {
			write(excluded)
			if err := kerntap.process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			until(t, "the file is read again", func() bool {
				return strings.Count(kerntap.said.String(), "the new configuration is in force") == i
			})
		}
		before := filtered()
		sendDatagrams(t, ns, 40012, each)
		sendDatagrams(t, ns, 9, each)
		if lost += each; excluded == "" {
			refused += each
		}
		until(t, "those of the firewall are counted", func() bool { return drops("NETFILTER_DROP", "loss") >= lost })
		until(t, "those of the closed port are counted", func() bool { return drops("NO_SOCKET", "refused") >= refused })
		if n := filtered() - before; excluded != "" && n < each {
			t.Errorf("%g drops are filtered, want at least %d", n, each)
		}
		if gotLost, gotRefused := drops("NETFILTER_DROP", "loss"), drops("NO_SOCKET", "refused"); gotLost != lost || gotRefused != refused {
			t.Errorf("with [%s] excluded %g are lost and %g refused, want %g and %g", excluded, gotLost, gotRefused, lost, refused)
		}
	}
	if said := kerntap.said.String(); strings.Contains(said, "does not follow") || strings.Contains(said, "takes a restart") {
		t.Error(said)
	}
	kerntap.stop(t)
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
