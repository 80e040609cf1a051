package config

import (
	"net/netip"

	"github.com/kerntap/kerntap/internal/filter"
)

// filtering is what of the traffic is wanted.
func filtering() []Option {
	const not = "separated by commas; !entry leaves out"
	return []Option{{
		Key: "filters.commands", Flag: "filter-commands", Env: "KERNTAP_FILTER_COMMANDS", list: true,
		Help: "commands whose events are wanted, by their names in the kernel (up to 15 bytes), " + not,
		value: bind(func(c *Config) *filter.List[string] { return &c.Filters.Commands }, filter.ParseCommands,
			filter.List[string].String),
	}, {
		Key: "filters.ports", Flag: "filter-ports", Env: "KERNTAP_FILTER_PORTS", list: true,
		Help: "ports that are wanted, such as 443 and 8000-8999: the server's of a connection, either of a packet, " + not,
		value: bind(func(c *Config) *filter.List[filter.Ports] { return &c.Filters.Ports }, filter.ParsePorts,
			filter.List[filter.Ports].String),
	}, {
		Key: "filters.networks", Flag: "filter-networks", Env: "KERNTAP_FILTER_NETWORKS", list: true,
		Help: "addresses and ranges (10.0.0.0/8) that are wanted: the peer's of a connection, either of a packet, " + not,
		value: bind(func(c *Config) *filter.List[netip.Prefix] { return &c.Filters.Networks }, filter.ParseNetworks,
			filter.List[netip.Prefix].String),
	}, {
		Key: "filters.loopback", Flag: "filter-loopback", Env: "KERNTAP_FILTER_LOOPBACK",
		Help: "false leaves out what stays on this host: loopback addresses, and from an address to itself",
		value: bind(func(c *Config) *bool { return &c.Filters.WithoutLoopback }, negated, func(without bool) string {
			return formatBool(!without)
		}),
	}}
}

func negated(text string) (bool, error) {
	is, err := parseBool(text)
	return !is, err
}
