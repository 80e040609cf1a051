package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kerntap/kerntap/internal/bpf"
	"github.com/kerntap/kerntap/internal/bpf/programs"
	"github.com/kerntap/kerntap/internal/config"
	"github.com/kerntap/kerntap/internal/kernel"
)

// errNothingRuns is the failure of a check; its report has said why.
var errNothingRuns = errors.New("no program can run here")

// report is what check found out.
type report struct {
	Version      string   `json:"version"`
	Kernel       string   `json:"kernel"`
	Arch         string   `json:"arch"`
	UID          uint32   `json:"uid"`
	Capabilities []string `json:"capabilities"`
	Lockdown     string   `json:"lockdown,omitempty"`
	PossibleCPUs int      `json:"possible_cpus"`
	Runs         bool     `json:"runs"`
	Reason       string   `json:"reason,omitempty"`
	// Kept are the capabilities that stay after the start, KeptReason says why.
	Kept       []string        `json:"kept"`
	KeptReason string          `json:"kept_reason,omitempty"`
	Programs   []programReport `json:"programs"`
}

// programReport is what became of one program's trial.
type programReport struct {
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Runs        bool         `json:"runs"`
	Reason      string       `json:"reason,omitempty"`
	Hooks       []hookReport `json:"hooks"`
	// Probed are the reductions that the program could have, Reductions those that it has.
	Probed     []string          `json:"probed"`
	Reductions []reductionReport `json:"reductions"`
	MapBytes   uint64            `json:"map_bytes"`

	unreadable string // why it cannot be read without privileges, "" if it can
}

type hookReport struct {
	Name   string `json:"name"`
	Runs   bool   `json:"runs"`
	Reason string `json:"reason,omitempty"`
}

type reductionReport struct {
	Name   string `json:"name"`
	Loses  string `json:"loses"`
	Reason string `json:"reason"`
	Remedy string `json:"remedy,omitempty"`
}

func checkCommand(env environment) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what this kernel and these privileges allow, what is missing and how to get it",
		Long: "Loads and attaches each enabled program for a moment, which is the only sound test. Exits 1 if no " +
			"program can run.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(cmd, env)
			if err != nil {
				return err
			}
			r, err := check(c)
			if err != nil {
				return err
			}
			if err := r.write(env.stdout, asJSON); err != nil {
				return fmt.Errorf("write report: %w", err)
			}
			if !r.Runs {
				return errNothingRuns
			}
			return nil
		},
	}
	addOptions(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

func check(c config.Config) (report, error) {
	h, err := probeHost()
	if err != nil {
		return report{}, err
	}
	r := report{
		Version:      version,
		Kernel:       h.features.Release,
		Arch:         h.features.Arch,
		UID:          h.privileges.UID,
		Capabilities: append([]string{}, h.capabilities()...),
		Lockdown:     h.privileges.Lockdown,
		PossibleCPUs: h.features.PossibleCPUs,
		Kept:         []string{},
	}
	if h.usable != nil {
		r.Reason = oneLine(h.usable)
	}
	if r.Programs, err = tryPrograms(c, h); err != nil {
		return report{}, err
	}
	r.keep(c, h)
	return r, nil
}

// keep tells which capabilities stay after the start.
func (r *report) keep(c config.Config, h host) {
	var reasons []string
	for _, program := range r.Programs {
		r.Runs = r.Runs || program.Runs
		if program.unreadable != "" {
			r.Kept, reasons = []string{capabilityNames[h.reading()]}, []string{program.unreadable}
		}
	}
	if c.ServiceNames && kernel.ServiceNames.Lost(nil) == nil {
		r.Kept = append(r.Kept, "SYS_PTRACE")
		reasons = append(reasons, "workload_service_names reads the environment of others")
	}
	r.KeptReason = strings.Join(reasons, "; ")
}

// tryPrograms loads and attaches every enabled program for a moment, or says of each why that is of no use.
func tryPrograms(c config.Config, h host) ([]programReport, error) {
	session := newSession(c, nil)
	session.LockedBytes = h.lockedBytes(len(c.Enabled()))
	var reports []programReport
	for _, entry := range programs.All() {
		program, err := entry.New(c.Programs[entry.Name], bpf.NewInMemoryStorage(), bpf.WithSession(session))
		if err != nil {
			return nil, usageError{err}
		}
		if c.Programs[entry.Name].Enabled {
			reports = append(reports, try(program, h.usable))
		}
	}
	return reports, session.Close()
}

func try(program *bpf.Program, unusable error) programReport {
	err := unusable
	if err == nil {
		err = program.Load()
	}
	if err == nil {
		err = program.Attach()
	}
	var unreadable error
	if err == nil {
		unreadable = kernel.TryUnprivileged(program.TryReading)
	}
	status := program.Status()
	r := programReport{
		Name:        program.GetName(),
		Description: program.GetDescription(),
		Runs:        err == nil,
		MapBytes:    status.MapBytes,
		Hooks:       []hookReport{},
		Probed:      append([]string{}, program.ReductionNames()...),
		Reductions:  []reductionReport{},
	}
	if err != nil {
		r.Reason = oneLine(err)
	}
	if unreadable != nil {
		r.unreadable = oneLine(unreadable)
	}
	for _, reduction := range status.Reductions {
		r.Reductions = append(r.Reductions, reductionReport(reduction))
	}
	hooks, hookErr := program.Hooks()
	if hookErr != nil && r.Reason == "" {
		r.Runs, r.Reason = false, oneLine(hookErr)
	}
	for _, hook := range hooks {
		r.Hooks = append(r.Hooks, hookReport{Name: hook.Name, Runs: hook.Attached, Reason: hook.Reason})
	}
	if err := program.Stop(); err != nil && r.Reason == "" {
		r.Runs, r.Reason = false, oneLine(err)
	}
	return r
}

func (r report) write(out io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	_, err := io.WriteString(out, r.text())
	return err
}
