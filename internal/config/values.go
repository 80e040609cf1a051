package config

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxSocketPath is the longest path of a Unix socket: sun_path of unix(7) without its closing zero.
const maxSocketPath = 107

// parseListen checks an address to listen on and returns it, "" for none.
func parseListen(text string) (string, error) {
	switch text {
	case "off":
		return "", nil
	case "": // an unset variable of a shell, most often: that must not switch the API off in silence
		return "", errors.New("the address is empty (examples: 127.0.0.1:4319, unix:///run/kerntap.sock, off)")
	}
	if path, isUnix := strings.CutPrefix(text, "unix://"); isUnix {
		return text, checkSocketPath(text, path)
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || strings.ContainsFunc(host, notInHost) {
		return "", fmt.Errorf("%q is not an address (examples: 127.0.0.1:4319, unix:///run/kerntap.sock, off)", text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q has no port from 0 to 65535 (example: 127.0.0.1:4319)", text)
	}
	return text, nil
}

// notInHost tells whether a character cannot stand in a host's name or address.
func notInHost(r rune) bool {
	return !unicode.IsGraphic(r) || unicode.IsSpace(r) || strings.ContainsRune(`/\@?#"`, r)
}

func checkSocketPath(text, path string) error {
	switch {
	case !strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") || strings.ContainsRune(path, 0):
		return fmt.Errorf("%q is not the absolute path of a socket (example: unix:///run/kerntap.sock)", text)
	case len(path) > maxSocketPath:
		return fmt.Errorf("%q is a longer path than a socket can have (%d bytes)", text, maxSocketPath)
	}
	return nil
}

// anyPort tells whether the kernel is to choose the port.
func anyPort(listen string) bool { return strings.HasSuffix(listen, ":0") }

func parseConsole(text string) (string, error) {
	switch text {
	case "", "none":
		return "", nil
	}
	return oneOf(text, "text", "json", "none")
}

func parseScope(text string) (string, error) { return oneOf(text, "host", "netns") }

func parseSyncFailures(text string) (string, error) { return oneOf(text, "auto", "syscalls", "off") }

func parseLogLevel(text string) (string, error) { return oneOf(text, "debug", "info", "warn", "error") }

func oneOf(text string, known ...string) (string, error) {
	if !slices.Contains(known, text) {
		return "", fmt.Errorf("%q is not one of %s", text, list(known))
	}
	return text, nil
}

func parseServiceName(text string) (string, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return "", errors.New("the name is empty (example: kerntap)")
	case !utf8.ValidString(text):
		return "", fmt.Errorf("%q is not UTF-8", text)
	}
	return text, nil
}

// parseBool takes what the OpenTelemetry specification takes.
func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%q is not one of true, false", text)
}

func parseMetricInterval(text string) (time.Duration, error) {
	return parseDuration(text, "10s", 100*time.Millisecond, time.Hour)
}

func parseRetention(text string) (time.Duration, error) {
	return parseDuration(text, "1h", time.Minute, 24*time.Hour)
}

func parseDuration(text, example string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration (example: %s)", text, example)
	}
	if d < least || d > most {
		return 0, fmt.Errorf("%q is not between %s and %s", text, formatDuration(least), formatDuration(most))
	}
	return d, nil
}

func parseRecords(text string) (int, error) {
	const least, most = 100, 1_000_000
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number (example: 10000)", text)
	}
	if n < least || n > most {
		return 0, fmt.Errorf("%q is not between %d and %d", text, least, most)
	}
	return n, nil
}

// formatDuration is Duration.String without parts that are zero: 1h, not 1h0m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func formatInt(n int) string { return strconv.Itoa(n) }

func formatBool(b bool) string { return strconv.FormatBool(b) }

// orElse spells the empty text as a word.
func orElse(word string) func(string) string {
	return func(text string) string {
		if text == "" {
			return word
		}
		return text
	}
}

// list joins names for a message.
func list(names []string) string { return strings.Join(names, ", ") }
