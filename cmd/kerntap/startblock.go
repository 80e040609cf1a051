package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/config"
)

// printStart says what runs, what it sees and what to try. It is for people; nothing depends on its form.
func printStart(out io.Writer, h host, c config.Config, statuses []bpf.Status) {
	fmt.Fprintf(out, "kerntap %s on Linux %s (%s)\n", version, h.features.Release, h.features.Arch)
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for i, status := range statuses {
		title := ""
		if i == 0 {
			title = "programs"
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", title, status.Name, status.State, programDetail(status))
	}
	table.Flush()
	rows := [][2]string{
		{"scope", describeScope(c.Scope)},
		{"privileges", h.describe()},
		{"missing", orNothing(missing(statuses))},
		{"telemetry", describeTelemetry(c)},
		{"local API", describeAddress(c.Listen)},
		{"try", "curl 127.0.0.1:1   (nobody listens there: the refused connection shows up below)"},
	}
	for _, row := range rows {
		fmt.Fprintf(out, "  %-10s  %s\n", row[0], row[1])
	}
	fmt.Fprintln(out)
}

// programDetail is where a program is attached, or why it is not.
func programDetail(status bpf.Status) string {
	if status.Reason != "" {
		return strings.Join(strings.Fields(status.Reason), " ")
	}
	var hooks []string
	for _, hook := range status.Hooks {
		if hook.Attached {
			hooks = append(hooks, hook.Name)
		}
	}
	return strings.Join(hooks, ", ")
}

// missing lists what the programs do not give here, and how to get it.
func missing(statuses []bpf.Status) []string {
	var all []string
	for _, status := range statuses {
		for _, reduction := range status.Reductions {
			all = append(all, reductionReport(reduction).text())
		}
	}
	return all
}

func describeScope(scope string) string {
	if scope == scopeNetNS {
		return "netns: kerntap's own network namespace; kerntap's own traffic is left out"
	}
	return "host: every network namespace; kerntap's own traffic is left out"
}

func orNothing(missing []string) string {
	if len(missing) == 0 {
		return "nothing"
	}
	return strings.Join(missing, "; ")
}

func describeAddress(address string) string {
	switch {
	case address == "":
		return "off"
	case strings.HasPrefix(address, "unix://"):
		return address
	default:
		return "http://" + address + "/health"
	}
}
