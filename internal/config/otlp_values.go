package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The protocols.
const (
	ProtocolGRPC = "grpc"
	ProtocolHTTP = "http/protobuf"
)

// The forms of histograms.
const (
	explicitHistograms    = "explicit_bucket_histogram"
	exponentialHistograms = "base2_exponential_bucket_histogram"
)

// unless parses all but one text, which stands for a value.
func unless[T any](text string, is T, parse func(string) (T, error)) func(string) (T, error) {
	return func(given string) (T, error) {
		if given == text {
			return is, nil
		}
		return parse(given)
	}
}

// parseEndpoint checks the form of an endpoint; what it means depends on the protocol.
func parseEndpoint(text string) (string, error) {
	if path, isUnix := strings.CutPrefix(text, "unix://"); isUnix {
		return text, checkSocketPath(text, path)
	}
	if !strings.Contains(text, "://") {
		return text, checkHostPort(text, text)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || strings.ContainsFunc(u.Hostname(), notInHost):
		return "", notAnEndpoint(text)
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("%q has not one of the schemes http, https, unix", text)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("a user, a query or a fragment has no place in an endpoint (credentials go into the headers)")
	case u.Port() != "" || strings.HasSuffix(u.Host, ":"):
		return text, checkHostPort(text, u.Host)
	}
	return text, nil
}

func notAnEndpoint(text string) error {
	return fmt.Errorf("%q is not an endpoint (examples: localhost:4317, https://collector:4318, unix:///run/otel.sock)", text)
}

func checkHostPort(text, hostPort string) error {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil || host == "" || strings.ContainsFunc(host, notInHost) {
		return notAnEndpoint(text)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q has no port from 1 to 65535 (example: localhost:4317)", text)
	}
	return nil
}

func parseTimeout(text string) (time.Duration, error) {
	return parseDuration(text, "10s", time.Millisecond, time.Hour)
}

// milliseconds takes what parse takes as a number of milliseconds, as the OpenTelemetry specification has it.
func milliseconds(parse func(string) (time.Duration, error)) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		if _, err := strconv.ParseUint(text, 10, 64); err != nil {
			return 0, fmt.Errorf("%q is not a number of milliseconds (example: 10000)", text)
		}
		return parse(text + "ms")
	}
}

func formatTimeout(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return formatDuration(d)
}

func parseInsecure(text string) (string, error) {
	insecure, err := parseBool(text)
	return formatBool(insecure), err
}

func anyText(text string) (string, error) { return text, nil }

// parseExporters takes a list of exporters and returns it without spaces.
func parseExporters(text string) (string, error) {
	var all []string
	for name := range strings.SplitSeq(text, ",") {
		name, err := oneOf(strings.TrimSpace(name), "otlp", "console", "none")
		if err != nil {
			return "", err
		}
		all = append(all, name)
	}
	if len(all) > 1 && slices.Contains(all, "none") {
		return "", fmt.Errorf("%q says none and another", text)
	}
	return strings.Join(all, ","), nil
}

func parseCount(text string) (int, error) {
	const most = 1_000_000
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number (example: 512)", text)
	}
	if n < 1 || n > most {
		return 0, fmt.Errorf("%q is not between 1 and %d", text, most)
	}
	return n, nil
}

// lowerCase takes one of the names, in any case.
func lowerCase(names ...string) func(string) (string, error) {
	return func(text string) (string, error) {
		if name := strings.ToLower(text); slices.Contains(names, name) {
			return name, nil
		}
		return oneOf(text, names...)
	}
}
