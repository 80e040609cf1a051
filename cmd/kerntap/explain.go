package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kerntap/kerntap/internal/bpf/programs"
)

func explainCommand(env environment) *cobra.Command {
	return &cobra.Command{
		Use:   "explain [REASON | FUNCTION]...",
		Short: "Say what a drop reason means, its class, and where to look",
		Long: "Explains reasons of packet drops (kerntap.drop.reason), and where the kernel gives none functions that " +
			"drop (kerntap.drop.location). Without arguments it lists all reasons that it knows. Exits 1 if one of them is " +
			"not known: it is then told in the kernel's own words.",
		RunE: func(_ *cobra.Command, args []string) error { return explain(env.stdout, args) },
	}
}

func explain(out io.Writer, names []string) error {
	if len(names) == 0 {
		names = programs.DropReasons()
	}
	var unknown []string
	for _, name := range names {
		explanation, known := programs.ExplainDrop(name)
		if !known {
			unknown = append(unknown, name)
		}
		if _, err := fmt.Fprintf(out, "%-26s %-8s %s\n", name, explanation.Class, explanation.What); err != nil {
			return fmt.Errorf("write explanation: %w", err)
		}
		if explanation.Look == "" {
			continue
		}
		if _, err := fmt.Fprintf(out, "%-26s %-8s look at %s\n", "", "", explanation.Look); err != nil {
			return fmt.Errorf("write explanation: %w", err)
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("explain: nothing is known here of %s", strings.Join(unknown, ", "))
	}
	return nil
}
