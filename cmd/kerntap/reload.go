package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/programs"
	"github.com/kerntap/kerntap/internal/config"
)

// reloader has a kerntap that runs follow its configuration file when it is told to read it again.
type reloader struct {
	// load reads the configuration anew; nil where there is no file to read.
	load   func() (config.Config, error)
	level  *slog.LevelVar
	engine *engine
	is     config.Config
}

// follow reloads at each hang-up until ctx ends. Without a file it ends the run, as a terminal that goes away means.
func (r *reloader) follow(ctx context.Context, hangup <-chan os.Signal, end func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			if r.load == nil {
				end()
				return
			}
			r.reload()
		}
	}
}

// reload takes the new configuration over as far as it may change, or refuses it as a whole, each with one line.
func (r *reloader) reload() {
	log := r.engine.log
	next, restart, err := r.prepare()
	if err == nil && r.redirects(next) {
		err = r.engine.redirect(next)
	}
	if err != nil {
		log.Error("the new configuration is refused, the one before stays", "error", oneLine(err))
		return
	}
	restart = append(restart, r.engine.retune(r.is, next)...)
	r.is = next
	r.level.Set(levelOf(next))
	log.Info("the new configuration is in force", "telemetry", describeTelemetry(next))
	if len(restart) > 0 {
		log.Warn("some of it takes a restart", "keys", strings.Join(restart, ", "))
	}
}

// prepare reads and checks everything, and changes nothing.
func (r *reloader) prepare() (next config.Config, restart []string, err error) {
	wanted, err := r.load()
	if err != nil {
		return wanted, nil, err
	}
	for _, entry := range programs.All() {
		if _, err := entry.New(wanted.Programs[entry.Name], r.engine.storage, bpf.WithSession(r.engine.session)); err != nil {
			return wanted, nil, err
		}
	}
	next, restart = r.is.Adopt(wanted)
	_, err = exportOptions(next)
	return next, restart, err
}

// redirects tells whether telemetry goes another way from now on, or may: certificates are read anew.
func (r *reloader) redirects(next config.Config) bool {
	return !r.is.OTLP.SaysTheSame(next.OTLP) || r.is.MetricInterval != next.MetricInterval || next.OTLP.HasCertificates()
}

// redirect has telemetry go as another configuration says.
func (e *engine) redirect(next config.Config) error {
	options, err := exportOptions(next)
	if err != nil {
		return err
	}
	options.Log = e.log
	return e.pipeline.Redirect(options)
}

// retune has the programs that run follow another configuration, and returns the keys that take a restart.
func (e *engine) retune(is, next config.Config) (restart []string) {
	scope := uint32(0)
	if next.Scope == scopeNetNS {
		scope = e.session.SelfNetNS
	}
	e.session.Tune(bpf.Throttle(next.Throttle), scope, next.Filters)
	for _, program := range e.programs {
		name := program.GetName()
		var settings bpf.Settings
		if changed := next.Programs[name]; !changed.SaysTheSame(is.Programs[name]) {
			settings = changed
		}
		err := program.Retune(settings)
		if errors.Is(err, bpf.ErrFixed) {
			restart = append(restart, "programs."+name)
			err = program.Retune(nil)
		}
		if err != nil {
			e.log.Warn("a program does not follow the new configuration", "error", oneLine(err))
		}
	}
	return restart
}
