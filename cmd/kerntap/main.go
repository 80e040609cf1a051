// Command kerntap watches TCP connections and packet drops inside the Linux kernel and tells them as OpenTelemetry
// log records and metrics.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kerntap/kerntap/internal/bpf/programs"
	"github.com/kerntap/kerntap/internal/config"
	"github.com/kerntap/kerntap/internal/kernel"
)

// version is what the linker was told: see the Makefile.
var version = "dev"

// The exit codes, beside 0.
const (
	exitFailed = 1 // what was asked for did not succeed
	exitUsage  = 2 // the command line or the configuration is wrong
)

// environment is what a command takes from and leaves to the outside.
type environment struct {
	environ        []string
	stdout, stderr io.Writer
	// hangup tells of SIGHUP: read the configuration again, or end where there is none to read.
	hangup <-chan os.Signal
	// drop gives up all capabilities but these for good; nil in tests, which need their own.
	drop func(keep ...int) error
}

// usageError marks an error of the command line or the configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	// A reader that goes away is an error of the write, not the end of the process.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	os.Exit(run(ctx, environment{takeEnvironment(), os.Stdout, os.Stderr, hangup, kernel.DropPrivileges}, os.Args[1:]))
}

// takeEnvironment returns the environment and takes OpenTelemetry's variables out of it: kerntap reads them itself,
// alike for both signals, and what they say of kerntap's own resource is not true of the containers it observes. The
// SDK would read them once more in its own way.
func takeEnvironment() []string {
	all := os.Environ()
	for _, variable := range all {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "OTEL_") {
			_ = os.Unsetenv(name) // fails on names that no variable has
		}
	}
	return all
}

// run executes one command line and returns its exit code. An error is one line on standard error.
func run(ctx context.Context, env environment, args []string) int {
	var waiting sync.WaitGroup
	defer waiting.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	root := &cobra.Command{
		Use:           "kerntap",
		Short:         "TCP connections and packet drops from inside the kernel, as OpenTelemetry",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(args)
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		if cmd.Name() != runName { // which has a configuration to read again
			waiting.Go(func() { endWith(ctx, env.hangup, cancel) })
		}
	}
	root.AddCommand(runCommand(env), checkCommand(env), explainCommand(env), readyCommand(env), watchCommand(env),
		topCommand(env), versionCommand(env))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if message := oneLine(err); message != "" {
		fmt.Fprintln(env.stderr, "kerntap: "+message)
	}
	if _, ok := errors.AsType[usageError](err); ok || strings.HasPrefix(err.Error(), "unknown command") {
		return exitUsage
	}
	return exitFailed
}

// endWith ends a command when its terminal hangs up.
func endWith(ctx context.Context, hangup <-chan os.Signal, end func()) {
	select {
	case <-hangup:
		end()
	case <-ctx.Done():
	}
}

// oneLine joins the lines of an error: the first is what failed, the others why.
func oneLine(err error) string {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// addOptions gives a command the flags of the configuration's table.
func addOptions(cmd *cobra.Command) {
	for _, option := range config.Options() {
		if option.Flag != "" {
			cmd.Flags().String(option.Flag, option.Default, option.Help)
		}
	}
}

// configSource is where the configuration of a command comes from: its flags, the environment, the file.
func configSource(cmd *cobra.Command, env environment) config.Source {
	source := config.Source{Environ: env.environ, Flags: make(map[string]string)}
	for _, entry := range programs.All() {
		source.Known = append(source.Known, entry.Name)
	}
	for _, option := range config.Options() {
		if flag := cmd.Flags().Lookup(option.Flag); flag != nil && flag.Changed {
			source.Flags[option.Flag] = flag.Value.String()
		}
	}
	return source
}

// loadConfig reads the configuration of a command: its flags over the environment over the file.
func loadConfig(cmd *cobra.Command, env environment) (config.Config, error) {
	loaded, err := config.Load(configSource(cmd, env))
	if err != nil {
		return loaded, usageError{err}
	}
	return loaded, nil
}

func versionCommand(env environment) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(env.stdout, "kerntap "+version)
			return err
		},
	}
}
