package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// FuzzRequest sends any bytes that are a request to the whole API: it is answered in JSON, by a status that it knows.
func FuzzRequest(f *testing.F) {
	options := fakeOptions()
	options.Metrics = http.NotFoundHandler()
	handler := New(options).Handler()
	for _, rows := range [][]exchange{connectionSummaryRows, connectionListRows, eventRows} {
		for _, row := range rows {
			f.Add(fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: k\r\nContent-Length: %d\r\n\r\n%s", row.method, row.target,
				len(row.body), row.body))
		}
	}
	f.Add([]byte("GET /health/../%2e%2e/\x00 HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"))
	f.Add([]byte("POST /api/connection-summary HTTP/1.1\r\nHost: k\r\nContent-Length: 99999999\r\n\r\n{\"pid\":-1"))
	f.Add([]byte("HEAD /livez HTTP/1.0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return // net/http answers that
		}
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, request)
		switch response.Code {
		case 200, 400, 404, 405, 413, 503:
		default:
			t.Errorf("%q is answered with %d", raw, response.Code)
		}
		if body := response.Body.Bytes(); request.URL.Path != "/metrics" && request.Method != http.MethodHead && !json.Valid(body) {
			t.Errorf("%q is answered with %q", raw, body)
		}
	})
}

// A thousand clients that begin and never finish do not keep another one from its answer, and leave nothing behind.
func TestAThousandSlowClientsHarmNobody(t *testing.T) {
	const clients = 1000
	server := New(fakeOptions())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	address := listener.Addr().String()
	beginnings := []string{"", "G", "GET /health HTTP/1.1\r\nHost: ",
		"POST " + attemptsPath + " HTTP/1.1\r\nHost: k\r\nContent-Length: 60000\r\n\r\n{",
		"GET " + eventsPath + "?limit=1000 HTTP/1.1\r\nHost: k\r\n\r\n"}
	var slow sync.WaitGroup
	for i := range clients {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, beginnings[i%len(beginnings)]); err != nil {
			t.Fatal(err)
		}
		if i%len(beginnings) < 4 {
			slow.Go(func() { // a client that is cut off sees the end, or an answer and the end
				defer conn.Close()
				_, _ = io.Copy(io.Discard, conn)
			})
		} else {
			t.Cleanup(func() { conn.Close() })
		}
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, path := range []string{"/livez", "/health", "/"} {
		began := time.Now()
		answer, err := client.Get("http://" + address + path)
		if err != nil {
			t.Fatalf("%s beside slow clients: %v", path, err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !strings.HasPrefix(string(body), "{") {
			t.Errorf("%s: %q, %v", path, body, err)
		}
		t.Logf("%s answered after %s beside %d slow clients", path, time.Since(began), clients)
	}
	slow.Wait() // all of them are cut off, within readTimeout
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if now := runtime.NumGoroutine(); now > before+5 {
		t.Errorf("%d goroutines are left of %d clients", now-before, clients)
	}
}
