package live

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/kerntap/kerntap/internal/api"
	"github.com/kerntap/kerntap/internal/telemetry"
)

// Filter chooses records. Zero values choose all; a record must match every field that is set, and one value of it.
type Filter struct {
	// Command is a part of the command's name, in any case.
	Command string
	PID     uint32
	// Events are parts of event names, Reasons whole reasons of drops, classes of drops, or error types, in any case.
	Events, Reasons []string
	Addresses       []Address
}

// Address is what either end of a connection or of a packet must have: an address in a range, a port, or both.
type Address struct {
	prefix netip.Prefix
	port   uint16
}

// ParseAddress reads an address (192.0.2.1), a range (192.0.2.0/24), a port (:443), or an address with its port.
func ParseAddress(s string) (Address, error) {
	var a Address
	host := s
	if i := strings.LastIndexByte(s, ':'); i == 0 || i > 0 && (strings.Count(s, ":") == 1 || s[i-1] == ']') {
		port, err := strconv.ParseUint(s[i+1:], 10, 16)
		if err != nil || port == 0 {
			return a, badAddress(s)
		}
		host, a.port = s[:i], uint16(port)
	}
	if host == "" && a.port != 0 {
		return a, nil
	}
	host = strings.Trim(host, "[]")
	if address, err := netip.ParseAddr(host); err == nil {
		a.prefix = netip.PrefixFrom(address, address.BitLen())
		return a, nil
	}
	var err error
	if a.prefix, err = netip.ParsePrefix(host); err != nil {
		return a, badAddress(s)
	}
	return a, nil
}

func badAddress(s string) error {
	return fmt.Errorf("%q is no address: give one like 192.0.2.1, 192.0.2.0/24, :443, 192.0.2.1:443 or [2001:db8::1]:443", s)
}

// Matches tells whether a record is to be shown.
func (f *Filter) Matches(event *api.Event) bool {
	return (f.PID == 0 || f.PID == event.PID) &&
		contains(event.Command, f.Command) &&
		oneOf(f.Events, func(name string) bool { return contains(event.Name, name) }) &&
		oneOf(f.Reasons, func(reason string) bool { return hasReason(event, reason) }) &&
		oneOf(f.Addresses, func(a Address) bool { return a.in(event) })
}

// oneOf tells whether one of the values matches, or whether there are none.
func oneOf[T any](values []T, match func(T) bool) bool {
	return len(values) == 0 || slices.ContainsFunc(values, match)
}

func contains(whole, part string) bool {
	return strings.Contains(strings.ToLower(whole), strings.ToLower(part))
}

func hasReason(event *api.Event, reason string) bool {
	for _, key := range [...]string{telemetry.DropReason, telemetry.DropClass, telemetry.ErrorType} {
		if strings.EqualFold(text(event, key), reason) {
			return true
		}
	}
	return false
}

// ends are the pairs of attributes that hold an address and its port.
var ends = [...][2]string{
	{telemetry.NetworkLocalAddress, telemetry.NetworkLocalPort},
	{telemetry.NetworkPeerAddress, telemetry.NetworkPeerPort},
	{telemetry.SourceAddress, telemetry.SourcePort},
	{telemetry.DestinationAddress, telemetry.DestinationPort},
}

// in tells whether one end of the event is what a asks for.
func (a Address) in(event *api.Event) bool {
	for _, end := range ends {
		address, err := netip.ParseAddr(text(event, end[0]))
		if err != nil {
			continue
		}
		if (!a.prefix.IsValid() || a.prefix.Contains(address)) &&
			(a.port == 0 || text(event, end[1]) == strconv.Itoa(int(a.port))) {
			return true
		}
	}
	return false
}
