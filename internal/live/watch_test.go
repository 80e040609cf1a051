package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/api"
)

// recorded are events as a kerntap answered them on Linux 6.18.
func recorded(t *testing.T) []api.Event {
	t.Helper()
	text, err := os.ReadFile("testdata/events.json")
	if err != nil {
		t.Fatal(err)
	}
	var answer api.FollowAnswer
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Events
}

// script answers one question after the other, and ends the run after the last.
type script struct {
	answers  []api.FollowAnswer
	programs []api.Program
	asked    []uint64
	end      context.CancelFunc
}

func (s *script) Newest(context.Context) (uint64, error) { return 7, nil }

func (s *script) Programs(context.Context) ([]api.Program, error) { return s.programs, nil }

func (s *script) Follow(_ context.Context, after uint64) (api.FollowAnswer, error) {
	s.asked = append(s.asked, after)
	if len(s.answers) == 0 {
		s.end()
		return api.FollowAnswer{Next: after}, nil
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	if answer.Next == 0 {
		return answer, errors.New("ask for /api/follow: connection refused")
	}
	return answer, nil
}

// watched runs a script and returns what was shown and noted.
func watched(t *testing.T, s *script, o Options) (out, notes string, err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.end = cancel
	var shown, noted bytes.Buffer
	o.Out, o.Notes, o.Location = &shown, &noted, time.UTC
	err = Run(ctx, s, o)
	return shown.String(), noted.String(), err
}

func TestRecordsAreLines(t *testing.T) {
	want, err := os.ReadFile("testdata/lines.txt")
	if err != nil {
		t.Fatal(err)
	}
	out, notes, err := watched(t, &script{answers: []api.FollowAnswer{{Events: recorded(t), Next: 20}}}, Options{})
	if err != nil || notes != "" || out != string(want) {
		t.Errorf("%v, %q\n%s\nwant\n%s", err, notes, out, want)
	}
}

func TestRecordsAreJSONAsTheAPIHasThem(t *testing.T) {
	out, _, err := watched(t, &script{answers: []api.FollowAnswer{{Events: recorded(t), Next: 20}}},
		Options{JSON: true, Filter: Filter{Events: []string{"failed"}}})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		var event map[string]any
		if err := json.Unmarshal([]byte(line), &event); err != nil || event["name"] != "kerntap.tcp.connection.failed" {
			t.Errorf("%v in %s", err, line)
		}
	}
	if out == "" {
		t.Error("nothing was shown")
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	s := &script{answers: []api.FollowAnswer{{Next: 9}, {Next: 12, Missed: 3}, {Next: 2}}}
	_, notes, err := watched(t, s, Options{})
	want := "kerntap watch: 3 records came and left before they could be shown\nkerntap watch: kerntap was started anew\n"
	if err != nil || notes != want {
		t.Errorf("%v, notes %q, want %q", err, notes, want)
	}
	if len(s.asked) != 4 || s.asked[0] != 7 || s.asked[3] != 2 {
		t.Errorf("asked for what came after %v", s.asked)
	}
}

func TestWhatHasNoRecordIsCounted(t *testing.T) {
	var l losses
	at := func(throttled, lost uint64) string {
		return l.since([]api.Program{{Counters: api.Counters{Throttled: throttled}}, {Counters: api.Counters{Lost: lost}}})
	}
	for _, test := range []struct {
		throttled, lost uint64
		want            string
	}{
		{5, 5, ""}, {5, 5, ""},
		{7, 6, "3 more events have no record (throttled 2, lost 1)"},
		{7, 6, ""},
		{0, 1, ""}, // started anew
		{1, 1, "1 more events have no record (throttled 1)"},
	} {
		if got := at(test.throttled, test.lost); got != test.want {
			t.Errorf("at %d and %d: %q, want %q", test.throttled, test.lost, got, test.want)
		}
	}
}

func TestCountAndSinceBoundWhatIsShown(t *testing.T) {
	events := recorded(t)
	s := &script{answers: []api.FollowAnswer{{Events: events, Next: 20}}}
	out, _, err := watched(t, s, Options{Count: 2, Since: events[1].Timestamp})
	if lines := strings.Count(out, "\n"); err != nil || lines != 2 || s.asked[0] != 0 {
		t.Errorf("%v, %d lines, asked %v:\n%s", err, lines, s.asked, out)
	}
	if !strings.HasPrefix(out, events[1].Timestamp.Format("15:04:05.000")) {
		t.Errorf("it begins with another than the second:\n%s", out)
	}
}

func TestAKerntapThatGoesAwayIsAnError(t *testing.T) {
	_, _, err := watched(t, &script{answers: []api.FollowAnswer{{Next: 0}}}, Options{})
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the error is %v", err)
	}
}
