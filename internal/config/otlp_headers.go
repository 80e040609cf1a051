package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// setHeaders takes the form of OTEL_EXPORTER_OTLP_HEADERS: name=value,name=value with percent-encoding. Errors do not
// show values, which may be secrets.
func (s scope) setHeaders(c *Config, text string) error {
	headers := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, encoded, found := strings.Cut(pair, "=")
		name = headerName(strings.TrimSpace(name))
		if !found {
			return errors.New("a header is not name=value")
		}
		header, err := url.PathUnescape(strings.TrimSpace(encoded))
		if err != nil {
			return fmt.Errorf("the value of %q is not percent-encoded (%% itself is %%25)", name)
		}
		if err := checkHeader(name, header); err != nil {
			return err
		}
		headers[name] = header
	}
	if len(headers) == 0 {
		headers = nil
	}
	s.transport(c).Headers = headers
	return nil
}

// headerName spells a name as it goes over HTTP/2: in lower case. To a receiver the case is all the same.
func headerName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' { // other alphabets are not to become what they look like
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

// setHeader sets one header as the file spells it.
func (s scope) setHeader(c *Config, name, header string) error {
	name = headerName(name)
	if err := checkHeader(name, header); err != nil {
		return err
	}
	headers := map[string]string{name: header}
	for other, was := range s.transport(c).Headers {
		if other != name {
			headers[other] = was
		}
	}
	s.transport(c).Headers = headers
	return nil
}

// ownHeaders are the names that the protocols keep for themselves: what one says there contradicts the request, is
// dropped by gRPC without a word, or ends an HTTP/2 connection.
var ownHeaders = []string{"connection", "content-encoding", "content-length", "content-type", "host", "keep-alive",
	"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"}

// checkHeader takes what both protocols take, so that a header does not depend on which one it goes with.
func checkHeader(name, header string) error {
	switch {
	case name == "" || strings.ContainsFunc(name, notInHeaderName):
		return fmt.Errorf("%q is not the name of a header (it takes ASCII letters, digits, - _ and .)", name)
	case strings.HasPrefix(name, "grpc-") || slices.Contains(ownHeaders, name):
		return fmt.Errorf("%q is a header of the protocol itself", name)
	case strings.ContainsFunc(header, func(r rune) bool { return r < ' ' || r > '~' }):
		return fmt.Errorf("the value of %q has characters other than printable ASCII", name)
	}
	return nil
}

func notInHeaderName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
}

// formatHeaders is the reverse of setHeaders.
func formatHeaders(headers map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		pairs = append(pairs, name+"="+percentEncode(headers[name]))
	}
	return strings.Join(pairs, ",")
}
