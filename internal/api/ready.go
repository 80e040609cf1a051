package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// readyTime is how long Ready waits for its answer.
const readyTime = 2 * time.Second

// Ready asks the kerntap that listens at address (host:port or unix:///path) whether it is ready. It returns nil if so,
// and otherwise an error of one line that says why not. It blocks for two seconds at most.
func Ready(ctx context.Context, address string) error {
	transport, err := NewTransport(address)
	if err != nil {
		return err
	}
	transport.DisableKeepAlives = true
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	// No redirect: whoever redirects is not kerntap.
	client := http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+serviceName+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return unanswered(address, err)
	}
	defer func() { _ = response.Body.Close() }()
	return readiness(address, response)
}

func unanswered(address string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("not ready: %s did not answer within %s: %w", address, readyTime, context.DeadlineExceeded)
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return fmt.Errorf("not ready: cannot reach %s: %w", address, cause(err))
}

func readiness(address string, response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	var answer errorAnswer
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil || json.Unmarshal(body, &answer) != nil || response.StatusCode != http.StatusServiceUnavailable {
		return fmt.Errorf("not ready: %s answered %q, which is not kerntap's answer", address, response.Status)
	}
	// A reason may quote several lines, of the kernel's verifier for one.
	return errors.New("not ready: " + strings.Join(strings.Fields(answer.Message), " "))
}
