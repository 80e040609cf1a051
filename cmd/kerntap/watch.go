package main

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kerntap/kerntap/internal/live"
)

// watchFlags are what a command line says about the records to show.
type watchFlags struct {
	options   live.Options
	addresses []string
	since     time.Duration
}

func watchCommand(env environment) *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Show records as they come, one line each",
		Long: "Shows the records of the kerntap that runs here, or of its own if none does. What was counted but has no " +
			"record is said on standard error.",
		Example: "  kerntap watch --command curl --event failed\n  kerntap watch --reason NETFILTER_DROP,loss --address :443 --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.resolve(); err != nil {
				return usageError{err}
			}
			return withSource(cmd, env, func(from source) error {
				fmt.Fprintln(env.stderr, "kerntap watch: records of "+from.name)
				f.options.Out, f.options.Notes = env.stdout, env.stderr
				err := live.Run(cmd.Context(), from, f.options)
				if errors.Is(err, syscall.EPIPE) {
					return errOutputClosed
				}
				return err
			})
		},
	}
	addSource(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.options.Filter.Command, "command", "", "only of commands whose name has this in it")
	flags.Uint32Var(&f.options.Filter.PID, "pid", 0, "only of this process")
	flags.StringSliceVar(&f.options.Filter.Events, "event", nil, "only events whose name has one of these in it: failed, packet.dropped, …")
	flags.StringSliceVar(&f.options.Filter.Reasons, "reason", nil,
		"only with one of these as reason or class of a drop, or as error type: NETFILTER_DROP, loss, refused, …")
	flags.StringSliceVar(&f.addresses, "address", nil, "only with one of these at either end: 192.0.2.1, 192.0.2.0/24, :443, 192.0.2.1:443")
	flags.DurationVar(&f.since, "since", 0, "begin with what was kept of this long ago, such as 5m")
	flags.IntVar(&f.options.Count, "count", 0, "end after so many records")
	flags.BoolVar(&f.options.JSON, "json", false, "one JSON object a line, as the local API has it")
	return cmd
}

// resolve makes values of what stands on the command line.
func (f *watchFlags) resolve() error {
	for _, text := range f.addresses {
		address, err := live.ParseAddress(text)
		if err != nil {
			return fmt.Errorf("--address: %w", err)
		}
		f.options.Filter.Addresses = append(f.options.Filter.Addresses, address)
	}
	if f.since < 0 || f.options.Count < 0 {
		return errors.New("--since and --count cannot be negative")
	}
	if f.since > 0 {
		f.options.Since = time.Now().Add(-f.since)
	}
	return nil
}
