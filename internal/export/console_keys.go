package export

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// textKey is how one attribute stands in a text line.
type textKey struct {
	key, short string
	// port is the key of the port that is shown behind an address.
	port string
	// before and after surround the value where a body tells it.
	before, after string
}

// textKeys are the known attributes in the order in which they are shown.
var textKeys = [...]textKey{
	{key: telemetry.Command, short: "command"},
	{key: telemetry.ProcessPID, short: "pid", before: "[", after: "]"},
	{key: telemetry.ProcessExecutable, short: "executable"},
	{key: telemetry.TCPRole, short: "role"},
	{key: telemetry.NetworkLocalAddress, short: "local", port: telemetry.NetworkLocalPort},
	{key: telemetry.NetworkPeerAddress, short: "peer", port: telemetry.NetworkPeerPort},
	{key: telemetry.SourceAddress, short: "from", port: telemetry.SourcePort},
	{key: telemetry.DestinationAddress, short: "to", port: telemetry.DestinationPort},
	{key: telemetry.ErrorType, short: "error"},
	{key: telemetry.Duration, short: "duration"},
	{key: telemetry.DropReason, short: "reason"},
	{key: telemetry.DropClass, short: "class"},
	{key: telemetry.DropLocation, short: "location"},
	{key: telemetry.PacketSize, short: "bytes"},
	{key: telemetry.Attribution, short: "attribution"},
}

// hiddenKeys are the attributes that a text line leaves to machines.
var hiddenKeys = [...]string{
	telemetry.NetworkTransport, telemetry.NetworkType, telemetry.ProcessVPID, telemetry.Errno, telemetry.EtherType,
}

// isKnown tells whether a text line has a rule for the attribute.
func isKnown(key string) bool {
	return slices.Contains(hiddenKeys[:], key) || slices.ContainsFunc(textKeys[:], func(k textKey) bool {
		return k.key == key || k.port == key
	})
}

// appendPadded appends text and spaces up to a width in characters.
func appendPadded(dst []byte, text string, width int) []byte {
	dst = append(dst, text...)
	for range width - utf8.RuneCountInString(text) {
		dst = append(dst, ' ')
	}
	return dst
}

// printable returns text with everything escaped that could do something to a terminal: names of commands are chosen
// by whoever runs them.
func printable(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !strconv.IsPrint(r) || r == utf8.RuneError }) < 0 {
		return text
	}
	quote := strconv.Quote(text)
	return strings.ReplaceAll(quote[1:len(quote)-1], `\"`, `"`)
}

// quoted returns text as one word.
func quoted(text string) string {
	if text == "" || strings.ContainsAny(text, " \"=") || printable(text) != text {
		return strconv.Quote(text)
	}
	return text
}
