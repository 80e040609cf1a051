package main

import (
	"fmt"
	"strings"
)

// text is the report for people: what runs, what does not and why, what is missing and how to get it.
func (r report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kerntap %s on Linux %s (%s), uid %d, capabilities: %s\n",
		r.Version, r.Kernel, r.Arch, r.UID, orNone(r.Capabilities))
	if r.Lockdown != "" && r.Lockdown != "none" {
		fmt.Fprintf(&b, "kernel lockdown: %s\n", r.Lockdown)
	}
	if r.Reason != "" {
		fmt.Fprintf(&b, "nothing can run: %s\n", r.Reason)
	}
	for _, program := range r.Programs {
		fmt.Fprintf(&b, "\n%s %s: %s\n", mark(program.Runs), program.Name, program.Description)
		for _, hook := range program.Hooks {
			fmt.Fprintf(&b, "   %s %s\n", mark(hook.Runs), hook.Name)
		}
		if program.Reason != "" && program.Reason != r.Reason {
			fmt.Fprintf(&b, "   why not: %s\n", program.Reason)
		}
		for _, reduction := range program.Reductions {
			fmt.Fprintf(&b, "   ! without %s\n", reduction.text())
		}
		if program.Runs {
			fmt.Fprintf(&b, "   maps: %d KiB in the kernel\n", program.MapBytes>>10)
		}
	}
	switch {
	case r.KeptReason != "":
		fmt.Fprintf(&b, "\nafter its start kerntap keeps %s alone: %s\n", orNone(r.Kept), r.KeptReason)
	case r.Runs:
		b.WriteString("\nafter its start kerntap drops every capability\n")
	}
	return b.String()
}

// text names the reduction and says what is lost, why, and how to get it if there is a way.
func (r reductionReport) text() string {
	text := fmt.Sprintf("%s (%s): %s", r.Loses, r.Name, r.Reason)
	if r.Remedy != "" {
		text += "; to get it: " + r.Remedy
	}
	return text
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func mark(ok bool) string {
	if ok {
		return "✓"
	}
	return "✗"
}
