package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// neglect listens at the address args[0] and never accepts; its queue has room for two.
func neglect(args []string, in io.Reader, out io.Writer) error {
	at := netip.MustParseAddrPort(args[0])
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}); err != nil {
		return err
	}
	if err := syscall.Listen(fd, 1); err != nil {
		return err
	}
	fmt.Fprintln(out, "listening")
	_, err = io.Copy(io.Discard, in)
	return err
}

// changing is what is another each time, or on another kernel: when, who by number, from which port, how long, how many, how
// long a packet is where it is dropped, and where in the kernel's code that is.
var changing = []struct {
	what *regexp.Regexp
	sign string
}{
	{regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{3}`), "TIME"},
	{regexp.MustCompile(`\[\d+\]`), "[PID]"},
	{regexp.MustCompile(`127\.0\.0\.1:[3-6]\d{4}`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`(in|after) [0-9.]+(µs|ms|s)`), "$1 DURATION"},
	{regexp.MustCompile(`dropped \d+ packets?`), "dropped N packets"},
	{regexp.MustCompile(`\d+ bytes`), "N bytes"},
	{regexp.MustCompile(` at [\w.]+\+0x[0-9a-f]+( \[\w+\])?`), " at PLACE"},
}

func withoutWhatChanges(line string) string {
	for _, c := range changing {
		line = c.what.ReplaceAllString(line, c.sign)
	}
	return strings.TrimSpace(line)
}

// documented are the lines that a document shows of kerntap watch, by the command line.
func documented(t *testing.T, name string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	shown := make(map[string][]string)
	command := ""
	for line := range strings.Lines(string(text)) {
		if said, ok := strings.CutPrefix(line, "$ kerntap "); ok {
			command = strings.TrimSpace(said)
		}
		if strings.HasPrefix(line, "```") && line != "```text\n" {
			command = ""
		}
		if changing[0].what.MatchString(line) && command != "" && !slices.Contains(shown[command], withoutWhatChanges(line)) {
			shown[command] = append(shown[command], withoutWhatChanges(line))
		}
	}
	return shown
}

// expected leaves out the lines that this kernel cannot cause, or kerntap cannot say here.
func expected(t *testing.T, lines []string) []string {
	t.Helper()
	lost := reductionsHere(t)
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		switch {
		case strings.Contains(line, " accepted "): // nobody accepts: where that is seen, there is nobody to tell of
			return !lost["acceptors"]
		case strings.Contains(line, " packet.dropped "):
			return lost["drop_reasons"] || lost["drop_locations"] || lost["packet_headers"]
		case strings.Contains(line, " tcp.listen.dropped "):
			return lost["open_connections"]
		}
		return false
	})
}

// reductionsHere are the reductions of all programs, as kerntap check tells them.
func reductionsHere(t *testing.T) map[string]bool {
	t.Helper()
	code, stdout, stderr := invoke(t, "check", "--json")
	var r report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("exit code %d, %v, %s", code, err, stderr)
	}
	lost := make(map[string]bool)
	for _, program := range r.Programs {
		for _, reduction := range program.Reductions {
			lost[reduction.Name] = true
		}
	}
	return lost
}

// causes are what makes each diagnosis's trouble again, by the command line that shows it.
var causes = map[string]func(*testing.T, *bpftest.Namespace){
	"watch --event failed,dropped": func(t *testing.T, ns *bpftest.Namespace) {
		ns.StartHelper(t, "orders-api", "dial", "127.0.0.1:5432").End(t)
	},
	"watch --address :5432": func(t *testing.T, ns *bpftest.Namespace) {
		ns.StartHelper(t, "orders-db", "neglect", "127.0.0.1:5432").Line(t)
		api := ns.StartHelper(t, "orders-api", "dialBriefly", "2s")
		for range 4 {
			api.Send(t, "127.0.0.1:5432")
			api.Line(t)
		}
	},
	"watch --address :8444": func(t *testing.T, ns *bpftest.Namespace) {
		ns.Firewall(t, "add table ip t; add chain ip t out { type filter hook output priority 0; }; add rule ip t out tcp dport 8444 drop")
		api := ns.StartHelper(t, "orders-api", "dialBriefly", "1500ms") // the kernel tries again after a second
		api.Send(t, "127.0.0.1:8444")
		api.Line(t)
	},
}

// Each diagnosis is made again: its cause, its command line, and every line that it shows and that can come here.
func TestTheDiagnosesShowWhatWatchSays(t *testing.T) {
	shown := documented(t, "../../docs/diagnoses.md")
	if len(shown) != len(causes) {
		t.Errorf("the document shows %d command lines", len(shown))
	}
	for command, cause := range causes {
		t.Run(command, func(t *testing.T) {
			if len(shown[command]) < 2 {
				t.Fatalf("the document shows %q of %s", shown[command], command)
			}
			want := expected(t, shown[command])
			said, notes, stop := background(t, append(strings.Fields(command), "--api", "none")...)
			t.Cleanup(func() {
				stop()
				if t.Failed() {
					t.Log(said.String())
				}
			})
			bpftest.Until(t, "it watches", func() bool { return notes.has("records of this process") })
			// Beside a flood of the same kind a record may find the throttle closed: then it is caused again.
			for range 6 {
				cause(t, bpftest.NewNamespace(t))
				if saysSoon(said, want) {
					return
				}
			}
			t.Errorf("it does not say what the document shows: %s", strings.Join(want, "\n"))
		})
	}
}

// The firewall's diagnosis counts what top does once its cause was there, and nothing else.
func TestTheDiagnosisOfAFirewallShowsWhatTopCounts(t *testing.T) {
	text, err := os.ReadFile("../../docs/diagnoses.md")
	if err != nil {
		t.Fatal(err)
	}
	want := rowOf(string(text), "orders-api")
	if want["FAILED"] == "" || want["LOST"] == "" {
		t.Fatalf("the document shows %v", want)
	}
	said, _, _ := background(t, "top", "--api", "none", "--interval", "200ms", "--filter", "orders-api")
	bpftest.Until(t, "it shows a table", func() bool { return said.has("COMMAND") })
	causes["watch --address :8444"](t, bpftest.NewNamespace(t))
	var row map[string]string
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the document shows %v, top %v", want, row)
		}
	})
	bpftest.Until(t, "top counts what the document shows", func() bool {
		row = rowOf(said.String(), "orders-api")
		return row["CONNS"] == want["CONNS"] && row["FAILED"] == want["FAILED"] && row["LOST"] == want["LOST"]
	})
}

// saysSoon waits a while for what says tells.
func saysSoon(said *buffer, want []string) bool {
	for range 60 {
		if says(said, want) {
			return true
		}
		<-time.After(100 * time.Millisecond)
	}
	return false
}

// says tells whether each of these lines has been written, but for what changes.
func says(said *buffer, want []string) bool {
	var lines []string
	for line := range strings.Lines(said.String()) {
		lines = append(lines, withoutWhatChanges(line))
	}
	return !slices.ContainsFunc(want, func(line string) bool { return !slices.Contains(lines, line) })
}
