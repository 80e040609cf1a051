package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kerntap/kerntap/internal/client"
	"github.com/kerntap/kerntap/internal/config"
	"github.com/kerntap/kerntap/internal/footprint"
)

// source is the kerntap whose records and metrics are shown: one that runs already, or one inside of this process.
type source struct {
	*client.Client
	// name says which one it is.
	name string
	// fresh tells that it has just begun to watch.
	fresh bool
	stop  func() error
}

const apiFlag = "api"

// addSource gives a command the flags that choose its source.
func addSource(cmd *cobra.Command) {
	addOptions(cmd)
	cmd.Flags().String(apiFlag, "", "kerntap to ask: host:port, unix:///path or http(s)://host:port, or none to watch from "+
		"this process (by default the one at --listen if it answers, else none)")
}

// openSource finds the kerntap that api names; or without a name the one at the configured address, or else starts one
// in this process, which sends nothing to anybody. Whoever gets a source stops it.
func openSource(ctx context.Context, env environment, c config.Config, api string) (source, error) {
	none := func() error { return nil }
	if api != "" && api != "none" {
		asked, err := client.New(api)
		if err == nil {
			err = asked.Alive(ctx)
		}
		if err != nil {
			return source{}, fmt.Errorf("ask the kerntap at %s: %w", api, err)
		}
		return source{asked, "kerntap at " + api, false, none}, nil
	}
	absent := errors.New("--api none was given")
	if api == "" && c.Listen != "" {
		asked, err := client.New(c.Listen)
		if err != nil {
			return source{}, usageError{err}
		}
		if absent = asked.Alive(ctx); absent == nil {
			return source{asked, "kerntap at " + c.Listen, false, none}, nil
		}
	}
	started, err := startSource(env, c)
	if err != nil {
		return source{}, errors.Join(fmt.Errorf("no kerntap runs at %s, and none can be started here: %w", c.Listen, err), absent)
	}
	return started, nil
}

// startSource starts a kerntap in this process that keeps what it sees, and nothing else.
func startSource(env environment, c config.Config) (source, error) {
	c.Disabled, c.LogLevel = true, "error"
	log := newLogger(env, levelOf(c))
	engine, err := newEngine(c, log)
	if err != nil {
		return source{}, err
	}
	h, err := probeHost()
	if err == nil {
		err = h.usable
	}
	if err != nil {
		return source{}, err
	}
	if err := engine.start(env, c, listeners{}); err != nil {
		return source{}, errors.Join(err, engine.stop())
	}
	footprint.Trim()
	restore := footprint.Bound(env.environ, keptEvents(c))
	return source{client.InProcess(engine.server(log).Handler()), "this process", true, func() error {
		defer restore()
		return engine.stop()
	}}, nil
}

// withSource does what a command does with its source, and stops that in whatever way it ends.
func withSource(cmd *cobra.Command, env environment, do func(source) error) error {
	c, err := loadConfig(cmd, env)
	if err != nil {
		return err
	}
	api, err := cmd.Flags().GetString(apiFlag)
	if err != nil {
		return err
	}
	from, err := openSource(cmd.Context(), env, c, api)
	if err != nil {
		return err
	}
	return errors.Join(do(from), from.stop())
}
