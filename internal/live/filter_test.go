package live

import (
	"testing"

	"github.com/kerntap/kerntap/internal/api"
)

func TestFiltersChooseRecords(t *testing.T) {
	failed := api.Event{PID: 42, Command: "curl", Name: "kerntap.tcp.connection.failed", Attributes: map[string]any{
		"error.type": "refused", "network.local.address": "192.0.2.1", "network.local.port": 50000.0,
		"network.peer.address": "2001:db8::1", "network.peer.port": 443.0}}
	dropped := api.Event{Command: "", Name: "kerntap.packet.dropped", Attributes: map[string]any{
		"kerntap.drop.reason": "NETFILTER_DROP", "kerntap.drop.class": "loss", "source.address": "192.0.2.1",
		"destination.address": "192.0.2.200", "destination.port": 53.0}}
	address := func(texts ...string) (all []Address) {
		for _, text := range texts {
			a, err := ParseAddress(text)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, a)
		}
		return all
	}
	for _, test := range []struct {
		name            string
		filter          Filter
		failed, dropped bool
	}{
		{"nothing", Filter{}, true, true},
		{"command", Filter{Command: "CUR"}, true, false},
		{"pid", Filter{PID: 42}, true, false},
		{"another pid", Filter{PID: 43}, false, false},
		{"event", Filter{Events: []string{"failed"}}, true, false},
		{"events", Filter{Events: []string{"closed", "Packet"}}, false, true},
		{"error type", Filter{Reasons: []string{"REFUSED"}}, true, false},
		{"drop reason", Filter{Reasons: []string{"netfilter_drop"}}, false, true},
		{"class", Filter{Reasons: []string{"loss"}}, false, true},
		{"a part of a reason", Filter{Reasons: []string{"NETFILTER"}}, false, false},
		{"address", Filter{Addresses: address("192.0.2.1")}, true, true},
		{"range", Filter{Addresses: address("192.0.2.128/25")}, false, true},
		{"port", Filter{Addresses: address(":443")}, true, false},
		{"address and port", Filter{Addresses: address("[2001:db8::1]:443")}, true, false},
		{"another end's port", Filter{Addresses: address("192.0.2.1:443")}, false, false},
		{"one of several", Filter{Addresses: address("198.51.100.1", ":53")}, false, true},
		{"address of version 6", Filter{Addresses: address("2001:db8::1")}, true, false},
		{"all must match", Filter{Command: "curl", Reasons: []string{"loss"}}, false, false},
	} {
		if got := test.filter.Matches(&failed); got != test.failed {
			t.Errorf("%s: the failed connect is chosen: %v", test.name, got)
		}
		if got := test.filter.Matches(&dropped); got != test.dropped {
			t.Errorf("%s: the drop is chosen: %v", test.name, got)
		}
	}
}

func TestBadAddressesAreRefused(t *testing.T) {
	for _, text := range []string{"", ":", ":0", ":70000", "example.com", "192.0.2.1:", "192.0.2.0/33", "1.2.3.4:http", "[::1]:"} {
		if a, err := ParseAddress(text); err == nil {
			t.Errorf("%q is taken as %v", text, a)
		}
	}
}
