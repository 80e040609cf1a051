package packet_drop

import (
	"strconv"

	"github.com/kerntap/kerntap/internal/telemetry"
)

const (
	etherTypeIPv4 = 0x0800
	etherTypeIPv6 = 0x86dd
)

// transport is the value of network.transport for an IP protocol: a name, or its number.
func transport(protocol uint8) string {
	switch protocol {
	case 1:
		return "icmp"
	case 6:
		return telemetry.TCP
	case 17:
		return telemetry.UDP
	case 58:
		return "ipv6-icmp"
	}
	return strconv.Itoa(int(protocol))
}

// networkType is the value of network.type, "" for neither IPv4 nor IPv6.
func networkType(etherType uint16) string {
	switch etherType {
	case etherTypeIPv4:
		return telemetry.IPv4
	case etherTypeIPv6:
		return telemetry.IPv6
	}
	return ""
}
