package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// What stands in a cell.
const (
	yes    = "✓"
	no     = "–"
	broken = "✗"
)

// proof is a feature that tests show: it is there where all of them passed, and not where all of them say that the
// kernel lacks what it needs.
type proof struct {
	words string
	tests []string // the package's folder and the test's name
}

const (
	connections = "internal/bpf/programs/connection "
	drops       = "internal/bpf/programs/packet_drop "
	facts       = "internal/kernel "
	command     = "cmd/kerntap "
)

// proofs are the features that tests show, in the order of the table's rows.
func proofs() []proof {
	return []proof{
		{"connections: opened, failed, closed, with their owners", []string{connections + "TestBothEndsOfAConnection",
			connections + "TestRefused", connections + "TestRejectedByTheFirewall", connections + "TestReusePortServersHaveTheirOwnConnections"}},
		{"their containers", []string{connections + "TestTheContainerIsThatOfTheOwnersCgroup"}},
		{"owners of sockets older than kerntap", []string{connections + "TestSocketsOlderThanTheProgramHaveTheirOwners"}},
		{"connections at full speed, counted to the unit", []string{connections + "TestConnectionsAtFullSpeedAreCountedToTheUnit"}},
		{"drops: packet, class, owner", []string{drops + "TestFirewallDropsInputAndOutput",
			drops + "TestNoSocketIsRefused", drops + "TestDropOfASocketHasItsOwner"}},
		{"floods of drops, counted to the packet", []string{drops + "TestAFloodIsCountedToThePacket"}},
		{"good connections without a record of a drop", []string{drops + "TestHealthyTrafficHasNoLoss"}},
		{"an ordinary user with BPF and PERFMON sees all this", []string{command + "TestPrivilegesBeyondTheTwoAddWhatTheyAreFor"}},
		{"privileges are gone after the start", []string{facts + "TestDroppedPrivilegesAreGoneAndReadingGoesOn"}},
	}
}

// cell tells what the tests of a feature showed.
func (p proof) cell(r results) string {
	var verdicts []string
	for _, test := range p.tests {
		verdict, ran := r.tests[test]
		if !ran {
			verdict = "FAIL"
		}
		if !slices.Contains(verdicts, verdict) {
			verdicts = append(verdicts, verdict)
		}
	}
	switch {
	case len(verdicts) == 1 && verdicts[0] == "PASS":
		return yes
	case len(verdicts) == 1 && verdicts[0] == "SKIP":
		return no
	}
	return broken
}

// tabulate makes the table of what kerntap itself says of a kernel and of what tests showed there.
func tabulate(kernels []results) table {
	var t table
	for _, r := range kernels {
		for _, p := range proofs() {
			t.set(r.kernel, p.words, p.cell(r))
		}
		t.set(r.kernel, "capabilities kept after the start", cmp.Or(strings.Join(r.check.Kept, ", "), "none"))
		for _, program := range r.check.Programs {
			lost := make(map[string]bool)
			for _, reduction := range program.Reductions {
				lost[reduction.Name] = true
			}
			for _, name := range program.Probed {
				t.set(r.kernel, fmt.Sprintf("`%s`, reduction `%s`", program.Name, name), mark(!lost[name]))
			}
			slices.SortFunc(program.Hooks, func(a, b hook) int { return strings.Compare(a.Name, b.Name) })
			for _, hook := range program.Hooks {
				t.set(r.kernel, fmt.Sprintf("`%s`, hook `%s`", program.Name, hook.Name), mark(hook.Runs))
			}
		}
	}
	return t
}

func mark(there bool) string {
	if there {
		return yes
	}
	return no
}
