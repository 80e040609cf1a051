package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// exchange is one row of the contract: a request, and what must come back.
type exchange struct {
	method, target, body string
	status               int
	// want is the whole answer as JSON; for a status that is an error, the message alone.
	want string
}

// TestContract holds every path, method, error text and quirk of the API against the server.
func TestContract(t *testing.T) {
	handler := New(fakeOptions()).Handler()
	rows := slices.Concat(connectionSummaryRows, packetDropSummaryRows, connectionListRows, packetDropListRows,
		eventRows, stateRows, methodRows())
	for _, row := range rows {
		t.Run(strings.TrimSpace(row.method+" "+row.target+" "+row.body), func(t *testing.T) {
			row.check(t, handler)
		})
	}
}

func (e exchange) check(t *testing.T, handler http.Handler) {
	t.Helper()
	answer := ask(handler, e.method, e.target, e.body)
	if answer.Code != e.status {
		t.Errorf("status %d, want %d", answer.Code, e.status)
	}
	if got := answer.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q, want application/json", got)
	}
	want := e.want
	if e.status >= http.StatusBadRequest {
		want = errorJSON(t, e.status, e.want)
	}
	sameJSON(t, answer.Body.String(), want)
}

func ask(handler http.Handler, method, target, body string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(method, target, strings.NewReader(body)))
	return answer
}

func errorJSON(t *testing.T, status int, message string) string {
	t.Helper()
	text, err := json.Marshal(map[string]string{"error": http.StatusText(status), "message": message})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("the test wants what is not JSON: %v\n%s", err, want)
	}
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("the answer is not JSON: %v\n%s", err, got)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("answer\n%swant\n%s", got, want)
	}
}

// methodRows asks every path with every method that it refuses.
func methodRows() (rows []exchange) {
	const onlyGet, onlyPost = "Only GET method is allowed", "Only POST method is allowed"
	refusals := []struct {
		message string
		allowed string
		paths   []string
	}{
		{onlyGet, "GET HEAD", []string{"/health", "/livez", "/readyz", "/metrics", "/api/programs", "/api/events", "/api/follow"}},
		{onlyPost, "POST", []string{"/api/connection-summary", "/api/packet-drop-summary"}},
		{"Only GET and POST methods are allowed", "GET POST", []string{"/api/list-connections", "/api/list-packet-drops"}},
	}
	every := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"}
	for _, refusal := range refusals {
		for _, path := range refusal.paths {
			for _, method := range every {
				if !slices.Contains(strings.Fields(refusal.allowed), method) {
					rows = append(rows, exchange{method, path, "", http.StatusMethodNotAllowed, refusal.message})
				}
			}
		}
	}
	return rows
}

func TestRefusedMethodsSayWhichAreAllowed(t *testing.T) {
	handler := New(fakeOptions()).Handler()
	for path, want := range map[string]string{
		"/health":                 "GET, HEAD",
		"/api/connection-summary": "POST",
		"/api/list-connections":   "GET, POST",
	} {
		if got := ask(handler, "PUT", path, "").Header().Get("Allow"); got != want {
			t.Errorf("%s: Allow %q, want %q", path, got, want)
		}
	}
}

func TestHeadIsAnsweredLikeGetWithoutABody(t *testing.T) {
	server := httptest.NewServer(New(fakeOptions()).Handler())
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	for _, path := range []string{"/", "/health", "/livez", "/readyz", "/metrics", "/api/programs", "/api/events", "/api/follow"} {
		response, err := server.Client().Head(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("HEAD %s: status %d, want 200", path, response.StatusCode)
		}
	}
}

func TestIndexIsAnsweredToAnyMethod(t *testing.T) {
	handler := New(fakeOptions()).Handler()
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"} {
		exchange{method, "/", "", http.StatusOK, indexJSON}.check(t, handler)
	}
}
