package top

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"go.uber.org/goleak"

	"github.com/kerntap/kerntap/internal/api"
	"github.com/kerntap/kerntap/internal/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the frames as they are now")

// recording answers as a kerntap did on Linux 6.18, one look after the other, and then for ever as it did last.
type recording struct {
	t     *testing.T
	looks *int
	err   error
}

func newRecording(t *testing.T) recording { return recording{t, new(int), nil} }

func (r recording) Metrics(context.Context) (client.Metrics, error) {
	if r.err != nil {
		return nil, r.err
	}
	*r.looks = min(*r.looks+1, 2)
	return client.ParseMetrics(r.read([]string{"", "metrics1.prom", "metrics2.prom"}[*r.looks]))
}

func (r recording) Events(context.Context, string, int) ([]api.Event, error) {
	var answer api.EventsAnswer
	err := json.Unmarshal(r.read("events.json"), &answer)
	return answer.Events, errors.Join(err, r.err)
}

func (r recording) read(name string) []byte {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// screen is a model that messages are sent to, as the terminal does.
type screen struct {
	t *testing.T
	m model
}

func newScreen(t *testing.T, o Options) *screen {
	t.Helper()
	o.Name, o.Interval, o.Location = "kerntap at 127.0.0.1:4319", time.Second, time.UTC
	m, err := newModel(t.Context(), newRecording(t), o)
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t, m}
	s.send(tea.WindowSizeMsg{Width: 100, Height: 12})
	return s
}

// send delivers a message and what its command answers at once.
func (s *screen) send(message tea.Msg) {
	changed, cmd := s.m.Update(message)
	s.m = changed.(model)
	if _, timed := message.(tick); cmd == nil || timed {
		return
	}
	if answer := cmd(); answer != nil {
		s.send(answer)
	}
}

// look is one look at the metrics, two seconds after the last one.
func (s *screen) look() {
	answer := s.m.look().(looked)
	answer.at = s.m.looked.Add(2 * time.Second)
	s.send(answer)
}

func (s *screen) press(keys ...string) {
	for _, key := range keys {
		press := tea.KeyPressMsg{Text: key}
		if code, ok := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "down": tea.KeyDown, "up": tea.KeyUp,
			"right": tea.KeyRight, "left": tea.KeyLeft, "backspace": tea.KeyBackspace, "space": tea.KeySpace,
			"end": tea.KeyEnd}[key]; ok {
			press = tea.KeyPressMsg{Code: code}
		} else {
			press.Code = rune(key[0])
		}
		s.send(press)
	}
}

// expect compares the screen with a recorded frame. What a terminal would obey is shown as ␛.
func (s *screen) expect(name string) {
	s.t.Helper()
	got := strings.ReplaceAll(strings.Join(s.m.lines(), "\n")+"\n", "\x1b", "␛")
	expectFile(s.t, name, got)
}

func expectFile(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("%v, %s is\n%s\nwant\n%s", err, name, got, want)
	}
}

func TestFrames(t *testing.T) {
	for _, test := range []struct {
		name    string
		options Options
		do      func(*screen)
	}{
		{"empty", Options{}, func(*screen) {}},
		{"totals", Options{Rates: true}, func(s *screen) { s.look(); s.press("t") }},
		{"rates", Options{Rates: true}, func(s *screen) { s.look(); s.look() }},
		{"sorted", Options{}, func(s *screen) { s.look(); s.press("right", "right", "right") }},
		{"reversed", Options{Sort: "failed"}, func(s *screen) { s.look(); s.press("r") }},
		{"selected", Options{}, func(s *screen) { s.look(); s.press("down", "down", "down", "up") }},
		{"typing", Options{}, func(s *screen) { s.look(); s.press("/", "a", "x", "backspace", "p") }},
		{"filtered", Options{}, func(s *screen) { s.look(); s.press("/", "A", "p", "enter") }},
		{"unfiltered", Options{}, func(s *screen) { s.look(); s.press("/", "x", "esc") }},
		{"paused", Options{}, func(s *screen) { s.look(); s.press("p"); s.look(); s.press("space", "p") }},
		{"records", Options{}, func(s *screen) { s.look(); s.press("enter") }},
		{"records_scrolled", Options{}, func(s *screen) { s.look(); s.press("enter", "end", "up") }},
		{"back", Options{}, func(s *screen) { s.look(); s.press("down", "enter", "p", "esc", "space") }},
		{"narrow", Options{}, func(s *screen) { s.look(); s.send(tea.WindowSizeMsg{Width: 50, Height: 5}) }},
		{"not_renewed", Options{}, func(s *screen) {
			s.look()
			s.send(looked{err: errors.New("ask for /metrics: connection refused")})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScreen(t, test.options)
			test.do(s)
			s.expect(test.name)
		})
	}
}

func TestKeysEndIt(t *testing.T) {
	for _, key := range []tea.KeyPressMsg{{Code: 'q', Text: "q"}, {Code: tea.KeyEscape}, {Code: 'c', Mod: tea.ModCtrl}} {
		s := newScreen(t, Options{})
		_, cmd := s.m.Update(key)
		if cmd == nil || cmd() != tea.Quit() {
			t.Errorf("%s does not end it", key)
		}
	}
	s := newScreen(t, Options{})
	s.press("/", "q")
	if !s.m.typing || s.m.Filter != "q" {
		t.Errorf("a q in the filter is no q: %q", s.m.Filter)
	}
}

func TestWhereThereIsNoTerminalTheTableIsText(t *testing.T) {
	var out bytes.Buffer
	o := Options{Interval: time.Millisecond, Count: 2, Sort: "failed"}
	if err := Plain(t.Context(), newRecording(t), o, &out); err != nil {
		t.Fatal(err)
	}
	expectFile(t, "plain", out.String())
}

func TestAnAnswerThatFailsEndsThePlainTable(t *testing.T) {
	source := newRecording(t)
	source.err = errors.New("gone")
	if err := Plain(t.Context(), source, Options{Interval: time.Millisecond}, &bytes.Buffer{}); err == nil {
		t.Error("no error")
	}
}

func TestThePlainTableEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Plain(ctx, newRecording(t), Options{Interval: time.Hour, Fresh: true}, &bytes.Buffer{}); err != nil {
		t.Error(err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := Options{Interval: time.Second, Sort: "Received"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for _, o := range []Options{{}, {Interval: time.Millisecond}, {Interval: time.Second, Count: -1}, {Interval: time.Second, Sort: "x"}} {
		if o.Check() == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

// A command's name is what its process likes it to be.
func TestNamesDoNotReachTheTerminalAsTheyAre(t *testing.T) {
	metrics, err := client.ParseMetrics([]byte("# TYPE kerntap_tcp_connections_total counter\n" +
		"kerntap_tcp_connections_total{kerntap_command=\"\x1b[2J\\n\xe2\x80\xae\"} 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range choose(newRows(metrics), "", columns()[0], false) {
		if line := row.line(); !strings.HasPrefix(line, "?[2J?? ") {
			t.Errorf("the line is %q", line)
		}
	}
}

func TestNumbersAreShort(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{count(0), "."}, {count(0.04), "0.04"}, {count(0.5), "0.5"}, {count(99.94), "99.9"}, {count(12345), "12345"},
		{count(123.7), "124"}, {count(9_999_999), "9999999"}, {count(12_345_678), "12.3M"}, {count(5e9), "5.0G"},
		{size(0), "."}, {size(10), "10B"}, {size(1000), "1.0K"}, {size(150 * 1024), "150K"}, {size(3 << 30), "3.0G"},
		{duration(-1), "."}, {duration(0.0000123), "12µs"}, {duration(0.01234), "12.3ms"}, {duration(61.2345), "1m1.23s"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}
