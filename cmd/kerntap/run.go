package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/kerntap/kerntap/internal/api"
	"github.com/kerntap/kerntap/internal/bpf/programs"
	"github.com/kerntap/kerntap/internal/config"
	"github.com/kerntap/kerntap/internal/export"
	"github.com/kerntap/kerntap/internal/footprint"
)

// runName is the command whose configuration may be read again.
const runName = "run"

func runCommand(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   runName,
		Short: "Watch this host until SIGINT or SIGTERM; SIGHUP reads the configuration file again",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(cmd, env)
			if err != nil {
				return err
			}
			r := &reloader{is: c, level: new(slog.LevelVar)}
			if configSource(cmd, env).HasFile() {
				r.load = func() (config.Config, error) { return loadConfig(cmd, env) }
			}
			return watch(cmd.Context(), env, r)
		},
	}
	addOptions(cmd)
	return cmd
}

// watch runs until ctx ends. It takes its addresses before it touches the kernel, and leaves nothing behind in
// whatever way it ends.
func watch(ctx context.Context, env environment, r *reloader) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	env.stdout = output{env.stdout, cancel}
	c := r.is
	r.level.Set(levelOf(c))
	log := newLogger(env, r.level)
	export.RouteSDKErrors(log)
	engine, err := newEngine(c, log)
	if err != nil {
		return err
	}
	h, err := probeHost()
	if err != nil {
		return err
	}
	if h.usable != nil {
		return h.usable
	}
	addresses, err := listen(c)
	if err != nil {
		return err
	}
	defer addresses.close()
	engine.session.LockedBytes = h.lockedBytes(len(c.Enabled()))
	if err := engine.start(env, c, addresses); err != nil {
		return errors.Join(err, engine.stop())
	}
	if err := engine.dropPrivileges(env, h); err != nil {
		return errors.Join(err, engine.stop())
	}
	footprint.Trim() // loading reads all the types of the kernel, more than everything that is kept
	defer footprint.Bound(env.environ, keptEvents(c))()
	if c.Console == "text" && !c.Disabled {
		printStart(env.stdout, h, c, engine.manager.Statuses())
	} else {
		log.Info("kerntap watches this host", "telemetry", describeTelemetry(c), "api", describeAddress(c.Listen))
	}
	r.engine = engine
	var reloading sync.WaitGroup
	reloading.Go(func() { r.follow(ctx, env.hangup, func() { cancel(nil) }) })
	err = serve(ctx, engine, addresses, supervisor{log})
	cancel(nil)
	reloading.Wait()
	err = errors.Join(err, engine.stop())
	if errors.Is(context.Cause(ctx), errOutputClosed) {
		return errOutputClosed
	}
	return err
}

// serve answers, and tells the service manager that kerntap does, until ctx ends or an address fails.
func serve(ctx context.Context, engine *engine, addresses listeners, manager supervisor) error {
	var watching sync.WaitGroup
	watched, cancel := context.WithCancel(ctx)
	manager.ready(engine.manager.Statuses())
	watching.Go(func() { manager.watchdog(watched, engine.signs) })
	err := addresses.serve(ctx, engine.server(engine.log))
	manager.stopping()
	cancel()
	watching.Wait()
	return err
}

// keptEvents is how many events are kept at most: those of each program's storage, and those that wait for a collector.
func keptEvents(c config.Config) int {
	return c.OTLP.LogQueue + c.Storage.Records*len(programs.All())
}

func newLogger(env environment, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewTextHandler(env.stderr, &slog.HandlerOptions{Level: level}))
}

func levelOf(c config.Config) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return slog.LevelInfo // Validate has refused any other
	}
	return level
}

// listeners are the addresses of the API and of the probes; nil where there is none.
type listeners struct{ api, probe net.Listener }

func listen(c config.Config) (listeners, error) {
	var l listeners
	var err error
	if c.Listen != "" {
		if l.api, err = api.Listen(c.Listen); err != nil {
			return listeners{}, err
		}
	}
	if c.ProbeListen != "" {
		if l.probe, err = api.ListenProbe(c.ProbeListen); err != nil {
			l.close()
			return listeners{}, err
		}
	}
	return l, nil
}

// close gives the addresses back. Closing twice does no harm.
func (l listeners) close() {
	for _, listener := range []net.Listener{l.api, l.probe} {
		if listener != nil {
			_ = listener.Close()
		}
	}
}

// serve answers until ctx ends or an address fails.
func (l listeners) serve(ctx context.Context, server *api.Server) error {
	group, ctx := errgroup.WithContext(ctx)
	if l.api != nil {
		group.Go(func() error { return server.Serve(ctx, l.api) })
	}
	if l.probe != nil {
		group.Go(func() error { return server.ServeProbe(ctx, l.probe) })
	}
	<-ctx.Done()
	if err := group.Wait(); err != nil {
		return fmt.Errorf("local API: %w", err)
	}
	return nil
}
