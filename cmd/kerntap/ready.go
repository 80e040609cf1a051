package main

import (
	"cmp"
	"errors"

	"github.com/spf13/cobra"

	"github.com/kerntap/kerntap/internal/api"
)

func readyCommand(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ready",
		Short: "Exit 0 if the kerntap at the configured address is ready, 1 if not",
		Long: "Asks the kerntap that listens at --probe-listen, or else at --listen, whether it is ready: for exec " +
			"probes and health checks in images without a shell.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(cmd, env)
			if err != nil {
				return err
			}
			address := cmp.Or(c.ProbeListen, c.Listen)
			if address == "" {
				return usageError{errors.New("there is no address to ask: set --listen or --probe-listen")}
			}
			return api.Ready(cmd.Context(), address)
		},
	}
	addOptions(cmd)
	return cmd
}
