package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kerntap/kerntap/internal/api"
	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/programs"
	"github.com/kerntap/kerntap/internal/config"
	"github.com/kerntap/kerntap/internal/export"
	"github.com/kerntap/kerntap/internal/kernel"
)

// scopeNetNS is the value of the option scope that watches kerntap's own network namespace alone.
const scopeNetNS = "netns"

// flushTime bounds how long the end of a run waits for the exporters.
const flushTime = 5 * time.Second

// engine is the whole chain: programs, manager, storage and exporters, and the dispatcher between them.
type engine struct {
	log         *slog.Logger
	storage     *bpf.InMemoryStorage
	manager     *bpf.Manager
	session     *bpf.Session
	loader      *bpf.Loader
	pipeline    *export.Pipeline
	programs    []*bpf.Program // those that are enabled
	losses      losses
	dispatching sync.WaitGroup
	// taken and handled count the events that the dispatcher has begun and ended with.
	taken, handled atomic.Uint64
}

// newEngine builds the chain as far as nothing outside of this process is touched: what is wrong with the settings of a
// program shows here.
func newEngine(c config.Config, log *slog.Logger) (*engine, error) {
	e := &engine{
		log:     log,
		storage: bpf.NewInMemoryStorage(bpf.WithRecords(c.Storage.Records), bpf.WithRetention(c.Storage.Retention)),
		manager: bpf.NewManager(bpf.WithLogger(log)),
		session: newSession(c, log),
	}
	e.loader = bpf.NewLoader(e.manager, e.session)
	if err := e.register(c); err != nil {
		return nil, err
	}
	return e, nil
}

// sharedMaps is what the maps that all programs use together take in the kernel, beside owners, which grows with the
// sockets.
const sharedMaps = 1 << 20

// newSession returns what the programs share, told how to count.
func newSession(c config.Config, log *slog.Logger) *bpf.Session {
	session := bpf.NewSession(log)
	session.Tune(bpf.Throttle(c.Throttle), 0, c.Filters)
	session.DrainEvery = c.Ledger.Interval
	session.MapBytes = (c.Ledger.Memory - sharedMaps) / uint64(max(len(c.Enabled()), 1))
	session.SyncFailures, session.ServiceNames = c.SyncFailures, c.ServiceNames
	session.RowsBy = bpf.RowsByAttributes(c.MetricAttributes)
	return session
}

// export starts the pipeline to wherever the configuration sends telemetry.
func (e *engine) export(env environment, c config.Config) error {
	options, err := exportOptions(c)
	if err != nil {
		return usageError{err}
	}
	options.Out, options.Log, options.Programs = env.stdout, e.log, e.manager.Statuses
	e.pipeline, err = export.New(options)
	if err != nil {
		return fmt.Errorf("set up export: %w", err)
	}
	return nil
}

// register builds the enabled programs in the order of the list.
func (e *engine) register(c config.Config) error {
	for _, entry := range programs.All() {
		settings := c.Programs[entry.Name]
		program, err := entry.New(settings, e.storage, bpf.WithSession(e.session))
		if err != nil {
			return usageError{err}
		}
		if !settings.Enabled {
			continue
		}
		if err := e.manager.RegisterProgram(program); err != nil {
			return err
		}
		e.programs = append(e.programs, program)
	}
	return nil
}

// knowSelf tells the programs what is kerntap's own, and what is to be watched.
func (e *engine) knowSelf(c config.Config, addresses listeners) error {
	own, err := kernel.NetNS()
	if err != nil {
		return err
	}
	e.session.SelfPID, e.session.SelfNetNS = selfPID(e.log), own
	for i, listener := range []net.Listener{addresses.api, addresses.probe} {
		if listener == nil {
			continue
		}
		if address, ok := listener.Addr().(*net.TCPAddr); ok {
			e.session.SelfPorts[i] = uint16(address.Port)
		}
	}
	if c.Scope == scopeNetNS {
		e.session.ScopeNetNS = own
	}
	e.session.ReadServiceNames()
	return nil
}

// start brings the programs into the kernel and begins to dispatch. Programs that fail are logged and left out; it
// fails if none is left. Whether it fails or not, stop is to be called.
func (e *engine) start(env environment, c config.Config, addresses listeners) error {
	if err := e.export(env, c); err != nil {
		return err
	}
	e.dispatching.Go(e.dispatch)
	if err := e.knowSelf(c, addresses); err != nil {
		return err
	}
	err := e.loader.LoadAndAttach()
	if errors.Is(err, bpf.ErrNoProgram) {
		return err
	}
	if err != nil {
		e.log.Warn("a program is left out", "error", oneLine(err))
	}
	return nil
}

// dispatch is the one reader of the aggregated channel. It ends when the manager has stopped.
func (e *engine) dispatch() {
	for event := range e.manager.GetAggregatedEvents() {
		e.taken.Add(1)
		if err := e.storage.Store(event); err != nil {
			e.log.Warn("cannot keep an event", "error", err)
		}
		e.pipeline.Handle(event)
		e.handled.Add(1)
	}
}

// stop detaches the programs, dispatches what they had reported and flushes the exporters, within a bounded time.
func (e *engine) stop() error {
	err := e.loader.Cleanup()
	e.dispatching.Wait()
	if e.pipeline == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if flushErr := e.pipeline.Shutdown(ctx); flushErr != nil {
		var left uint64
		for _, destination := range e.pipeline.Status() {
			left += destination.Logs.Queued
		}
		err = errors.Join(err, fmt.Errorf("flush, with %d log records left: %w", left, flushErr))
	}
	return err
}

// server answers the local API from the chain.
func (e *engine) server(log *slog.Logger) *api.Server {
	return api.New(api.Options{
		Entry:    e.loader,
		Events:   e.storage,
		Programs: e.manager.Statuses,
		Exporter: e.exporterStatus,
		Metrics:  e.pipeline.MetricsHandler(),
		Version:  version,
		Log:      log,
	})
}
