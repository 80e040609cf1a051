// Package filter is what of a host's traffic is wanted, by command, port and address: how that is written, and what it
// means.
//
// In a list a plain entry keeps only what matches it or another plain one; an entry that begins with ! leaves out what
// matches it. Of several lists each must keep an event. What an event does not tell matches nothing.
package filter

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// How many entries each list can have, as bpf/include/filter.h has room for.
const (
	MaxCommands = 32
	MaxPorts    = 64
	MaxNetworks = 32
)

// maxCommand is the longest name of a command, in bytes: the kernel cuts longer ones.
const maxCommand = 15

// Rules say what is wanted. The zero Rules want everything.
type Rules struct {
	// Commands are names of the kernel's, exact.
	Commands List[string]
	// Ports are those of the server of a connection, and either end's of a packet.
	Ports List[Ports]
	// Networks are those of a connection's peer, and of either end of a packet.
	Networks List[netip.Prefix]
	// WithoutLoopback leaves out what stays on this host: from or to a loopback address, or from an address to itself.
	WithoutLoopback bool
}

// List is what is wanted, if anything is named, and what is not.
type List[T any] struct{ Only, Not []T }

// Ports is a range of ports with both its ends.
type Ports struct{ First, Last uint16 }

// Any tells whether the list leaves anything out.
func (l List[T]) Any() bool { return len(l.Only)+len(l.Not) > 0 }

// Any tells whether the rules leave anything out.
func (r *Rules) Any() bool {
	return r.Commands.Any() || r.Ports.Any() || r.Networks.Any() || r.WithoutLoopback
}

// ParseCommands reads names of commands that commas separate.
func ParseCommands(text string) (List[string], error) { return parse(text, MaxCommands, command) }

// ParsePorts reads ports and ranges of them that commas separate.
func ParsePorts(text string) (List[Ports], error) { return parse(text, MaxPorts, ports) }

// ParseNetworks reads addresses and ranges of them that commas separate.
func ParseNetworks(text string) (List[netip.Prefix], error) {
	return parse(text, MaxNetworks, network)
}

// String spells the list as Parse reads it.
func (l List[T]) String() string {
	var entries []string
	for _, entry := range l.Only {
		entries = append(entries, fmt.Sprint(entry))
	}
	for _, entry := range l.Not {
		entries = append(entries, fmt.Sprint("!", entry))
	}
	return strings.Join(entries, ",")
}

// String spells the range as it is read.
func (p Ports) String() string {
	if p.First == p.Last {
		return strconv.Itoa(int(p.First))
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}

func parse[T any](text string, most int, one func(string) (T, error)) (list List[T], err error) {
	entries := 0
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		plain, not := strings.CutPrefix(entry, "!")
		value, err := one(plain)
		if err != nil {
			return List[T]{}, err
		}
		if not {
			list.Not = append(list.Not, value)
		} else {
			list.Only = append(list.Only, value)
		}
		if entries++; entries > most {
			return List[T]{}, fmt.Errorf("there are more than %d entries", most)
		}
	}
	return list, nil
}

func command(text string) (string, error) {
	switch {
	case text == "":
		return "", errors.New("there is no name behind the ! (example: !sshd)")
	case strings.ContainsRune(text, 0):
		return "", fmt.Errorf("%q is not the name of a command (example: nginx)", text)
	case len(text) > maxCommand:
		return "", fmt.Errorf("%q is longer than names of commands are: the kernel cuts them after %d bytes (%q)", text,
			maxCommand, text[:maxCommand])
	}
	return text, nil
}

func ports(text string) (Ports, error) {
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	first, err := strconv.ParseUint(strings.TrimSpace(low), 10, 16)
	last, lastErr := strconv.ParseUint(strings.TrimSpace(high), 10, 16)
	if err != nil || lastErr != nil || first == 0 || last == 0 {
		return Ports{}, fmt.Errorf("%q is not a port from 1 to 65535 or a range of them (examples: 443, 8000-8999, !22)", text)
	}
	if first > last {
		return Ports{}, fmt.Errorf("%q ends before it begins (%d-%d?)", text, last, first)
	}
	return Ports{uint16(first), uint16(last)}, nil
}

func network(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q is not an address or a range of them (examples: 10.0.0.0/8, 2001:db8::/32, !192.0.2.1)",
			text)
	}
	if masked := prefix.Masked(); masked != prefix {
		return netip.Prefix{}, fmt.Errorf("%q has bits behind its prefix (%s?)", text, masked)
	}
	return prefix, nil
}
