package bpf

import (
	"encoding/binary"
	"net/netip"

	"github.com/kerntap/kerntap/internal/filter"
)

// wireFilterSet is struct filter_set of bpf/include/filter.h.
type wireFilterSet struct {
	Command         [filter.MaxCommands][16]byte
	Network         [filter.MaxNetworks]wireFilterNetwork
	Port            [filter.MaxPorts]wireFilterPort
	Commands        wireFilterList
	Networks        wireFilterList
	Ports           wireFilterList
	WithoutLoopback uint64
}

// wireFilterNetwork is struct filter_network.
type wireFilterNetwork struct {
	Address, Mask [16]byte
	IPv6          uint64
}

// wireFilterPort is struct filter_port.
type wireFilterPort struct{ First, Last uint16 }

// wireFilterList is struct filter_list.
type wireFilterList struct{ Only, All uint32 }

// wireFilters are the rules as programs read them.
func wireFilters(rules filter.Rules) (set wireFilterSet) {
	set.Commands = place(rules.Commands, func(i int, name string) { copy(set.Command[i][:], name) })
	set.Ports = place(rules.Ports, func(i int, ports filter.Ports) { set.Port[i] = wireFilterPort(ports) })
	set.Networks = place(rules.Networks, func(i int, network netip.Prefix) { set.Network[i] = wireNetwork(network) })
	if rules.WithoutLoopback {
		set.WithoutLoopback = 1
	}
	return set
}

// place puts what is wanted before what is not.
func place[T any](list filter.List[T], put func(int, T)) wireFilterList {
	for i, entry := range list.Only {
		put(i, entry)
	}
	for i, entry := range list.Not {
		put(len(list.Only)+i, entry)
	}
	return wireFilterList{Only: uint32(len(list.Only)), All: uint32(len(list.Only) + len(list.Not))}
}

// wireNetwork has IPv4 as IPv4-mapped IPv6.
func wireNetwork(network netip.Prefix) wireFilterNetwork {
	wire := wireFilterNetwork{Address: network.Masked().Addr().As16()}
	bits := network.Bits()
	if network.Addr().Is4() {
		bits += 96
	} else {
		wire.IPv6 = 1
	}
	high, low := ^uint64(0)<<max(64-bits, 0), ^uint64(0)<<max(min(128-bits, 64), 0)
	binary.BigEndian.PutUint64(wire.Mask[:8], high)
	binary.BigEndian.PutUint64(wire.Mask[8:], low)
	return wire
}
