package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/kerntap/kerntap/internal/top"
)

func topCommand(env environment) *cobra.Command {
	var o top.Options
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show a live table of commands by connections, failures, drops, round-trip time and bytes",
		Long: "Shows what the kerntap that runs here counts, or one of its own if none does. Where standard output is no " +
			"terminal, the table is plain text.",
		Example: "  kerntap top --sort failed\n  kerntap top --rates --count 1 --interval 10s | head",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return usageError{err}
			}
			return withSource(cmd, env, func(from source) error {
				o.Name, o.Fresh = from.name, from.fresh
				if in, out, ok := terminal(env.stdout); ok && o.Count == 0 {
					return top.Run(cmd.Context(), from, o, in, out, env.environ)
				}
				fmt.Fprintln(env.stderr, "kerntap top: metrics of "+from.name)
				err := top.Plain(cmd.Context(), from, o, env.stdout)
				if errors.Is(err, syscall.EPIPE) {
					return errOutputClosed
				}
				return err
			})
		},
	}
	addSource(cmd)
	flags := cmd.Flags()
	flags.DurationVar(&o.Interval, "interval", 2*time.Second, "time between two looks, 100ms to 1h")
	flags.IntVar(&o.Count, "count", 0, "write so many tables as plain text, and end")
	flags.BoolVar(&o.Rates, "rates", false, "show what happened a second since the look before, not all since kerntap started")
	flags.StringVar(&o.Filter, "filter", "", "only commands whose name has this in it")
	flags.StringVar(&o.Sort, "sort", "conns", "column to order by: conns, failed, lost, refused, retrans, resets, rtt, sent, received")
	return cmd
}

// terminal returns the terminal that out is, and where its keys come from.
func terminal(out io.Writer) (*os.File, *os.File, bool) {
	screen, ok := out.(*os.File)
	if !ok {
		return nil, nil, false
	}
	for _, file := range []*os.File{screen, os.Stdin} {
		if _, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS); err != nil {
			return nil, nil, false
		}
	}
	return os.Stdin, screen, true
}
