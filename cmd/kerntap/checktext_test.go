package main

import (
	"strings"
	"testing"
)

// People are told of a reduction what programs are told: its name, what is lost, why, and what would help.
func TestTheTextOfCheckNamesReductions(t *testing.T) {
	lost := reductionReport{Name: "drop_locations", Loses: "the names of drop locations", Reason: "symbols are hidden"}
	r := report{Programs: []programReport{{Name: "packet_drop", Reductions: []reductionReport{lost}}}}
	if want := "! without the names of drop locations (drop_locations): symbols are hidden\n"; !strings.Contains(r.text(), want) {
		t.Errorf("%q lacks %q", r.text(), want)
	}
	r.Programs[0].Reductions[0].Remedy = "add the capability SYSLOG"
	if want := "symbols are hidden; to get it: add the capability SYSLOG\n"; !strings.Contains(r.text(), want) {
		t.Errorf("%q lacks %q", r.text(), want)
	}
}
