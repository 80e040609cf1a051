package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/bpf/bpftest"
)

// buffer is written by one goroutine and read by another.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) has(part string) bool { return strings.Contains(b.String(), part) }

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// background runs a command line in this process until stop or the test's end, which wait for it; stop returns its exit code,
// as often as it is called.
func background(t *testing.T, args ...string) (stdout, stderr *buffer, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stdout, stderr = new(buffer), new(buffer)
	var code int
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		code = run(ctx, environment{environ: []string{"GOMEMLIMIT=off"}, stdout: stdout, stderr: stderr}, args)
	}()
	stop = func() int {
		cancel()
		<-exited
		return code
	}
	t.Cleanup(func() { stop() })
	return stdout, stderr, stop
}

func TestWatchShowsTheRecordsOfARunningKerntap(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	address := bpftest.FreeAddress(t)
	r := startKerntapIn(t, environment{environ: []string{"OTEL_SDK_DISABLED=true"}, stderr: t.Output()}, "--listen", address)
	awaitReady(t, address)
	shown, notes, stop := background(t, "watch", "--listen", address, "--command", "KT-WATCH", "--event", "failed",
		"--reason", "refused", "--address", "127.0.0.1:7", "--json")
	bpftest.Until(t, "watch says whom it asks", func() bool { return notes.has("records of kerntap at " + address) })
	// it begins with what comes after it has: connects until one is shown
	for !shown.has("kt-watch") {
		ns.StartHelper(t, "kt-other", "dial", "127.0.0.1:7").End(t)
		ns.StartHelper(t, "kt-watch", "dial", "127.0.0.1:8", "127.0.0.1:7").End(t)
	}
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	var pid string
	for line := range strings.Lines(shown.text.String()) {
		var event struct {
			PID        uint32
			Command    string
			Attributes map[string]any
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil || event.Command != "kt-watch" ||
			event.Attributes["network.peer.port"] != 7.0 {
			t.Errorf("%v in %s", err, line)
		}
		pid = fmt.Sprint(event.PID)
	}
	kept, _, _ := background(t, "watch", "--api", "http://"+address, "--since", "5m", "--pid", pid, "--count", "1")
	bpftest.Until(t, "what is kept of that process is shown", func() bool { return kept.has("kt-watch[" + pid + "]") })
	table, _, stopTable := background(t, "top", "--api", address, "--interval", "200ms", "--filter", "kt-watch")
	bpftest.Until(t, "the counts are drained, and the command is in the table", func() bool { return table.has("\nkt-watch ") })
	stopTable()
	http.DefaultClient.CloseIdleConnections()
	r.stop()
}

func TestWatchWatchesByItself(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	shown, notes, stop := background(t, "watch", "--listen", bpftest.FreeAddress(t), "--command", "kt-alone")
	bpftest.Until(t, "it watches", func() bool { return notes.has("records of this process") })
	for !shown.has("kt-alone") {
		ns.StartHelper(t, "kt-alone", "dial", "127.0.0.1:7").End(t)
	}
	if code := stop(); code != 0 || !shown.has("could not connect to 127.0.0.1:7: connection refused") {
		t.Errorf("exit code %d, %s", code, shown.text.String())
	}
}

// rowOf is what the last of some tables says of a command, by the titles of the columns.
func rowOf(tables, command string) map[string]string {
	var titles []string
	row := make(map[string]string)
	for line := range strings.Lines(tables) {
		fields := strings.Fields(line)
		switch {
		case len(fields) > 0 && fields[0] == "COMMAND":
			titles = fields
		case len(fields) > 0 && fields[0] == command && len(fields) == len(titles):
			for i, title := range titles {
				row[strings.TrimPrefix(title, "▼")] = fields[i]
			}
		}
	}
	return row
}

// The table fills from what the kernel did: connects that are refused, dropped and answered.
func TestTopCountsByItself(t *testing.T) {
	ns := bpftest.NewNamespace(t)
	ns.Firewall(t, "add table ip t; add chain ip t out { type filter hook output priority 0; }; add rule ip t out tcp dport 9 drop")
	shown, _, stop := background(t, "top", "--api", "none", "--interval", "500ms", "--filter", "kt-top")
	bpftest.Until(t, "it shows a table", func() bool { return shown.has("COMMAND") })
	ns.StartHelper(t, "kt-echo", "accept", "127.0.0.1:10").Line(t)
	ns.StartHelper(t, "kt-top", "dial", "127.0.0.1:7", "127.0.0.1:7").End(t)
	ns.StartHelper(t, "kt-top", "talk", "127.0.0.1:10").End(t)
	hasty := ns.StartHelper(t, "kt-top", "dialBriefly", "1500ms")
	hasty.Send(t, "127.0.0.1:9")
	hasty.Line(t)
	bpftest.Until(t, "all four connects are counted, with what became of them", func() bool {
		row := rowOf(shown.String(), "kt-top")
		return row["CONNS"] == "4" && row["FAILED"] == "3" && row["LOST"] != "." && row["RTT"] != "." &&
			row["SENT"] == "5B" && row["RECEIVED"] == "5B"
	})
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestWatchAndTopRefuseWhatCannotBeMeant(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"watch", "--address", "example.com"}, exitUsage, "--address:"},
		{[]string{"watch", "--count", "-1"}, exitUsage, "negative"},
		{[]string{"top", "--sort", "colour"}, exitUsage, "no column"},
		{[]string{"top", "--interval", "1ms"}, exitUsage, "interval"},
		{[]string{"watch", "--api", "127.0.0.1:1"}, exitFailed, "connection refused"},
		{[]string{"watch", "--api", "nowhere"}, exitFailed, "nowhere"},
	} {
		code, stdout, stderr := invoke(t, test.args...)
		if code != test.code || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, test.want) {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", test.args, code, stdout, stderr)
		}
	}
}

// openTerminal returns both ends of a new terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetUint32(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 20, Col: 100}); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// typist reads a screen, and types the next keys once what it waits for is there.
type typist struct {
	terminal *os.File
	steps    [][2]string // what to wait for, and what to type then
	screen   bytes.Buffer
}

func (p *typist) Write(text []byte) (int, error) {
	p.screen.Write(text)
	for len(p.steps) > 0 && strings.Contains(p.screen.String(), p.steps[0][0]) {
		if _, err := p.terminal.WriteString(p.steps[0][1]); err != nil {
			return 0, err
		}
		p.steps = p.steps[1:]
	}
	return len(text), nil
}

func TestTopOnATerminalObeysKeys(t *testing.T) {
	bpftest.Require(t)
	master, slave := openTerminal(t)
	user := &typist{terminal: master, steps: [][2]string{{"COMMAND", "/zz\r"}, {"filter zz", "q"}}}
	var reading sync.WaitGroup
	code, _, _ := child(t, func(cmd *exec.Cmd) {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.Env = append(cmd.Env, "TERM=xterm-256color")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		reading.Go(func() { _, _ = io.Copy(user, master) })
	}, "top", "--api", "none", "--interval", "200ms")
	slave.Close()
	reading.Wait()
	if code != 0 || len(user.steps) > 0 {
		t.Errorf("exit code %d, not reached %v:\n%q", code, user.steps, user.screen.String())
	}
}
