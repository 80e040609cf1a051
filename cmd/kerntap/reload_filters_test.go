package main

import (
	"strconv"
	"testing"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// While connections come and go the filters change fifty times between leaving them out and not. Whatever was told to open is
// told to end, and nothing else is: none is open at the end. What is not told is left out.
//
// An event that is neither is a run of the program that the kernel has skipped. Where another task may interrupt the program
// (Linux 7.2), all of a connection is, if it comes and goes before that task lets the program go on. It need not be one of
// those that were to be left out: how many there may be goes by how many there are of all. A Linux 6.18 runs no program while
// a thread of process 1 is the current task, and does not say so: one in a hundred.
func TestFiltersChangeWhileConnectionsComeAndGo(t *testing.T) {
	const n, reloads = 20_000, 50
	ns := bpftest.NewNamespace(t)
	files := []string{"console: json\nmetric_interval: 1h\n", "console: json\nmetric_interval: 1h\n"}
	files[1] += "filters: {commands: ['!kt-refilter', '!kt-other'], loopback: true}\n"
	r := startReloadable(t, files[0])
	const server = "127.0.0.1:40041"
	ns.StartHelper(t, "kt-refilter-srv", "accept", server).Line(t)
	of := func(metric, command string) (sum float64) {
		for _, value := range scrapedAll(t, r.api, metric+"{", `kerntap_command="`+command+`"`) {
			sum += value
		}
		return sum
	}
	outcome := func(name string) float64 {
		return scraped(t, r.api, "kerntap_program_events_total{", `kerntap_outcome="`+name+`"`, `"connection"`)
	}
	caller := ns.StartHelper(t, "kt-refilter", "dialMany", server, strconv.Itoa(n))
	bpftest.Until(t, "it dials", func() bool { return of("kerntap_tcp_connections_total", "kt-refilter") > 0 })
	for i := range reloads {
		r.reload(t, files[(i+1)%2])
	}
	r.said.check(t, map[string]int{"the new configuration is in force": reloads, "level=WARN": 0, "level=ERROR": 0})
	caller.End(t)
	const made, open = "kerntap_tcp_connections_total", "kerntap_tcp_active_connections"
	bpftest.Until(t, "the server's connections have ended", func() bool {
		return of(made, "kt-refilter-srv") == n && of(open, "kt-refilter-srv") == 0
	})
	bpftest.Until(t, "none is open", func() bool { return of(open, "kt-refilter") == 0 })
	opened := of(made, "kt-refilter")
	if opened == 0 || opened == n {
		t.Errorf("%g connections of %d are told: the filters changed nothing", opened, n)
	}
	nobodys := scraped(t, r.api, made+`{kerntap_tcp_role="client"`) // whose beginning alone was skipped
	want, left := 2*(n-opened-nobodys), outcome("filtered")
	if short := want - left; short > max(want/100, min(outcome("missed"), n/50)) {
		t.Errorf("%g events are filtered, want %g; %g runs are missed, %g connections are nobody's", left, want, outcome("missed"), nobodys)
	}
	r.stop()
}
