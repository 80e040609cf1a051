package api

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
)

// endpoint answers one request with the value to send as JSON. An error of type problem is sent with its status, any
// other as a failure of the server.
type endpoint func(r *http.Request) (any, error)

// problem is an error with the status that tells it to the client.
type problem struct {
	status  int
	message string
}

// Error implements error.
func (p problem) Error() string { return p.message }

func badRequest(message string) problem { return problem{http.StatusBadRequest, message} }

// json serves an endpoint, with a bound on what it can read.
func (s *Server) json(answer endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		value, err := answer(r)
		if err == nil {
			send(w, s.options.Log, http.StatusOK, value)
			return
		}
		status := http.StatusInternalServerError
		if p, ok := errors.AsType[problem](err); ok {
			status = p.status
		}
		send(w, s.options.Log, status, errorForm(status, err.Error()))
	}
}

type errorAnswer struct {
	Error   string `json:"error"`
	Message string `json:"message"`
}

func errorForm(status int, message string) errorAnswer {
	return errorAnswer{http.StatusText(status), message}
}

// send writes value with status. The value is encoded before anything is written, so that a failure can still be told.
func send(w http.ResponseWriter, log *slog.Logger, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		log.Error("encode an answer", "error", err)
		status = http.StatusInternalServerError
		body = []byte(`{"error":"Internal Server Error","message":"the answer could not be encoded"}`)
	}
	body = append(body, '\n')
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	// Answers are of the moment, and a browser must not take names of processes for anything but JSON.
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		log.Debug("write an answer", "error", err)
	}
}
