package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/telemetry"
)

func TestListsAreLimitedPerPID(t *testing.T) {
	many := make([]bpf.ConnectionInfo, maxLimit+1)
	for i := range many {
		many[i] = connectionTo(1, "busy", "", int32(i))
	}
	options := fakeOptions()
	options.Entry = fakeEntry{connections: map[uint32][]bpf.ConnectionInfo{1: many, 2: many[:defaultLimit]}}
	handler := New(options).Handler()
	for query, want := range map[string][2]int{"": {100, 100}, "?limit=1000": {1000, 100}} {
		var answer struct {
			Truncated   bool
			Connections map[uint32][]bpf.ConnectionInfo
		}
		if err := json.Unmarshal(ask(handler, "GET", listPath+query, "").Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		first, second := answer.Connections[1], answer.Connections[2]
		if len(first) != want[0] || len(second) != want[1] || !answer.Truncated {
			t.Fatalf("%s: %d and %d records, truncated %t, want %d", query, len(first), len(second), answer.Truncated, want)
		}
		if oldest, newest := first[0].ReturnCode, first[len(first)-1].ReturnCode; newest != maxLimit ||
			oldest != int32(maxLimit-want[0]+1) {
			t.Errorf("%s: records %d to %d, want the most recent, oldest first", query, oldest, newest)
		}
	}
}

func TestBodiesAreBounded(t *testing.T) {
	handler := New(fakeOptions()).Handler()
	question := `{"command":"curl","duration":1}`
	full := question + strings.Repeat(" ", maxBody-len(question))
	exchange{"POST", attemptsPath, full, http.StatusOK, curlAttempts}.check(t, handler)
	exchange{"POST", attemptsPath, full + " ", http.StatusRequestEntityTooLarge,
		"request body cannot exceed 65536 bytes"}.check(t, handler)

	long := strings.NewReader(strings.Repeat(" ", 64*maxBody))
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest("POST", listPath, long))
	if read := int(long.Size()) - long.Len(); answer.Code != http.StatusRequestEntityTooLarge || read > 4*maxBody {
		t.Errorf("status %d after %d bytes of a long body, want 413 soon after %d", answer.Code, read, maxBody)
	}
}

func TestSinceIsATimeOrHowLongAgo(t *testing.T) {
	for text, want := range map[string]time.Time{
		"":                     {},
		"90s":                  noon.Add(-90 * time.Second),
		"1h30m":                noon.Add(-90 * time.Minute),
		"0s":                   noon,
		"2026-03-01T11:00:00Z": noon.Add(-time.Hour),
	} {
		got, err := querySince(url.Values{"since": {text}}, noon)
		if err != nil || !got.Equal(want) {
			t.Errorf("since=%s: %s, %v, want %s", text, got, err, want)
		}
	}
}

func TestSeverityIsSpeltAsOpenTelemetryDoes(t *testing.T) {
	for severity, want := range map[telemetry.Severity]string{telemetry.Info: "INFO", telemetry.Warn: "WARN"} {
		if got := severityText(severity); got != want {
			t.Errorf("severity %d is %s, want %s", severity, got, want)
		}
	}
}

func TestStorageFailureIsTold(t *testing.T) {
	options := fakeOptions()
	options.Events = fakeEvents{broken: true}
	exchange{"GET", eventsPath, "", http.StatusInternalServerError, "query the storage: disk on fire"}.
		check(t, New(options).Handler())
}

func TestUnencodableAnswerIsAFailure(t *testing.T) {
	server := New(fakeOptions())
	handler := server.json(func(*http.Request) (any, error) { return func() {}, nil })
	exchange{"GET", "/", "", http.StatusInternalServerError, "the answer could not be encoded"}.check(t, handler)
}

func FuzzSummaryRequest(f *testing.F) {
	for _, row := range connectionSummaryRows {
		f.Add(row.body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		q, err := readSummaryQuestion(httptest.NewRequest("POST", attemptsPath, strings.NewReader(body)))
		if err != nil {
			return
		}
		if q.seconds < 1 || q.seconds > maxDuration || (q.pid == 0) == (q.command == "") {
			t.Errorf("%q was taken for %+v", body, q)
		}
	})
}

func FuzzListRequest(f *testing.F) {
	for _, row := range connectionListRows {
		_, query, _ := strings.Cut(row.target, "?")
		f.Add(row.method == "POST", query, row.body)
	}
	f.Fuzz(func(t *testing.T, post bool, query, body string) {
		request := httptest.NewRequest("GET", listPath, strings.NewReader(body))
		if post {
			request.Method = "POST"
		}
		request.URL.RawQuery = query
		if s, err := readSelection(request); err == nil && (s.limit < 1 || s.limit > maxLimit) {
			t.Errorf("%q %q was taken for a limit of %d", query, body, s.limit)
		}
	})
}

func FuzzEventQuery(f *testing.F) {
	for _, row := range eventRows {
		_, query, _ := strings.Cut(row.target, "?")
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		request := httptest.NewRequest("GET", eventsPath, nil)
		request.URL.RawQuery = query
		if q, err := readEventQuery(request, noon); err == nil && (q.limit < 1 || q.limit > maxLimit) {
			t.Errorf("%q was taken for %+v", query, q)
		}
	})
}

// exact is a storage that says how exact its sums are.
type exact struct{ fakeEvents }

func (exact) Accuracy(pid uint32, eventType string, since time.Time) bpf.Accuracy {
	a := bpf.Accuracy{Since: noon, Resolution: 2 * time.Second}
	if age := time.Since(since).Round(time.Minute); pid == 42 && eventType == bpf.PacketDropType && age == time.Minute {
		a.Unattributed = 3
	}
	return a
}

func TestSummariesSayHowExactTheyAre(t *testing.T) {
	options := fakeOptions()
	options.Events = exact{}
	handler := New(options).Handler()
	exchange{"POST", attemptsPath, `{"command":"curl","duration":1}`, 200, `{"total_attempts":3,"command":"curl","duration":1,
		"message":"Found 3 connection attempts from command 'curl' over 1 seconds",
		"since":"2026-03-01T12:00:00Z","resolution_seconds":2}`}.check(t, handler)
	exchange{"POST", dropsPath, `{"pid":42,"duration":60}`, 200, `{"total_drops":9,"pid":42,"duration":60,
		"message":"Found 9 packet drops from PID 42 over 60 seconds",
		"since":"2026-03-01T12:00:00Z","resolution_seconds":2,"unattributed":3}`}.check(t, handler)
}
