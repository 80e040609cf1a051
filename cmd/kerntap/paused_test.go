package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// process starts kerntap as a process of its own, which exports nothing and ends with the test.
func process(t *testing.T, args ...string) *os.Process {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), asKerntap, "OTEL_SDK_DISABLED=true")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGCONT)
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v:\n%s", err, said.Bytes())
		}
	})
	return cmd.Process
}

// scraped returns the value of a series whose line contains every word, 0 where there is none.
func scraped(t *testing.T, address string, words ...string) float64 {
	t.Helper()
	for _, value := range scrapedAll(t, address, words...) {
		return value
	}
	return 0
}

// scrapedAll returns the values of all series whose lines contain every word.
func scrapedAll(t *testing.T, address string, words ...string) (all []float64) {
	t.Helper()
lines:
	for line := range strings.Lines(exposition(t, address)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue lines
			}
		}
		value, err := strconv.ParseFloat(regexp.MustCompile(`\S+$`).FindString(strings.TrimSpace(line)), 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, value)
	}
	return all
}

// exposition is what /metrics says.
func exposition(t *testing.T, address string) string {
	t.Helper()
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Whoever stops the process of kerntap for ten seconds, in which far more happens than records can tell, finds every
// connection counted afterwards, and an account that adds up.
func TestAPausedProcessLosesNoCount(t *testing.T) {
	const each, pause = 3000, 10 * time.Second
	ns := bpftest.NewNamespace(t)
	address := bpftest.FreeAddress(t)
	kerntap := process(t, "run", "--listen", address)
	awaitReady(t, address)
	if err := kerntap.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	resume := time.After(pause)
	callers := []*bpftest.Process{
		ns.StartHelper(t, "kt-paused", "dialMany", "127.0.0.1:1", strconv.Itoa(each)),
		ns.StartHelper(t, "kt-paused", "dialMany", "[::1]:1", strconv.Itoa(each)),
	}
	for _, caller := range callers {
		caller.End(t)
	}
	<-resume
	if err := kerntap.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	count := func(network string) float64 {
		return scraped(t, address, "kerntap_tcp_connections_total{", `kerntap_command="kt-paused"`, `network_type="`+network+`"`)
	}
	bpftest.Until(t, "the counts are drained", func() bool { return count("ipv4") > 0 && count("ipv6") > 0 })
	for _, network := range []string{"ipv4", "ipv6"} {
		if got := count(network); got != each {
			t.Errorf("%s: %g connections are counted, want %d", network, got, each)
		}
	}
	for _, program := range healthAccount(t, address).Programs {
		c := program.Counters
		if program.Name == "connection" && (c.Throttled < each || c.Recorded > 600) {
			t.Errorf("%d records, %d throttled: the throttle does not hold over a pause", c.Recorded, c.Throttled)
		}
	}
	settle(t, func() string { return unbalanced(t, healthAccount(t, address)) })
	http.DefaultClient.CloseIdleConnections()
}

// unbalanced is what is not in the tallies, "" where all connections are. What others on this host did since the last drain
// is not yet: connections may be few, packets are without number where a firewall drops a flood beside this. At no moment is
// more in the tallies than happened, where rows have room.
func unbalanced(t *testing.T, a account) (complaint string) {
	t.Helper()
	complaint = "the program that counts connections is not there"
	for _, program := range a.Programs {
		c := program.Counters
		all := c.Recorded + c.Throttled + c.Counted + c.Lost
		if c.Tallied > all {
			t.Errorf("%s has tallied what did not happen: %+v", program.Name, c)
		}
		if program.Name != "connection" {
			continue
		}
		complaint = ""
		if c.Tallied+100 < all {
			complaint = fmt.Sprintf("connection does not add up: %+v", c)
		}
	}
	return complaint
}
