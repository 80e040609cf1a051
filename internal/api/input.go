package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
)

const (
	// maxBody bounds what is read of a request's body, in bytes.
	maxBody = 64 << 10
	// defaultLimit and maxLimit bound how many records an answer lists (of each pid, where it lists by pid).
	defaultLimit = 100
	maxLimit     = 1000
)

var (
	errBody     = badRequest("Invalid JSON request body")
	errBodySize = problem{http.StatusRequestEntityTooLarge,
		fmt.Sprintf("request body cannot exceed %d bytes", maxBody)}
	errQuery    = badRequest("Invalid query parameters")
	errPID      = badRequest("Invalid PID parameter")
	errLimit    = badRequest("Invalid limit parameter")
	errMaxLimit = badRequest("limit cannot exceed 1000")
)

// whole is a whole number as clients write it. One that does not fit becomes the nearest that does, so that the
// check of its range refuses it by its own message.
type whole int64

// UnmarshalJSON implements json.Unmarshaler. Null changes nothing; anything else but a whole number is an error.
func (n *whole) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	value, err := parseWhole(string(data))
	*n = value
	return err
}

func parseWhole(text string) (whole, error) {
	value, err := strconv.ParseInt(text, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		err = nil
	}
	return whole(value), err
}

// readBody decodes the request's body, one JSON value and nothing after it, into request. Unknown fields are ignored.
func readBody[T any](r *http.Request, request *T) error {
	body, err := io.ReadAll(r.Body)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return errBodySize
	}
	if err != nil || json.Unmarshal(body, request) != nil {
		return errBody
	}
	return nil
}

// readQuery returns the query's parameters. A query that cannot be read is refused: without what it asked for, the
// answer would be to another question.
func readQuery(r *http.Request) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errQuery
	}
	return values, nil
}

// queryWhole returns nil for a parameter that is absent or empty, and invalid for one that is no whole number.
func queryWhole(values url.Values, name string, invalid problem) (*whole, error) {
	text := values.Get(name)
	if text == "" {
		return nil, nil
	}
	value, err := parseWhole(text)
	if err != nil {
		return nil, invalid
	}
	return &value, nil
}

// selection is what lists can be asked for: one pid or all (nil), and how many records at most.
type selection struct {
	pid   *uint32
	limit int
}

func newSelection(pid, limit *whole) (selection, error) {
	s := selection{limit: defaultLimit}
	if pid != nil {
		value, err := pid.asPID()
		if err != nil {
			return selection{}, err
		}
		s.pid = &value
	}
	if limit != nil {
		if *limit <= 0 {
			return selection{}, errLimit
		}
		if *limit > maxLimit {
			return selection{}, errMaxLimit
		}
		s.limit = int(*limit)
	}
	return s, nil
}

func (n whole) asPID() (uint32, error) {
	if n < 0 || n > math.MaxUint32 {
		return 0, errPID
	}
	return uint32(n), nil
}

func querySelection(values url.Values) (selection, error) {
	pid, err := queryWhole(values, "pid", errPID)
	if err != nil {
		return selection{}, err
	}
	limit, err := queryWhole(values, "limit", errLimit)
	if err != nil {
		return selection{}, err
	}
	return newSelection(pid, limit)
}

func (s selection) matches(pid uint32) bool { return s.pid == nil || *s.pid == pid }
