package api

import "github.com/kerntap/kerntap/internal/bpf"

// Program is the JSON form of bpf.Status.
type Program struct {
	Name        string      `json:"name"`
	Description string      `json:"description,omitempty"`
	State       string      `json:"state"`
	Reason      string      `json:"reason,omitempty"`
	Hooks       []Hook      `json:"hooks"`
	Reductions  []Reduction `json:"reductions,omitempty"`
	Counters    Counters    `json:"counters"`
	MapBytes    uint64      `json:"map_bytes"`
}

// Hook is the JSON form of bpf.Hook.
type Hook struct {
	Name     string `json:"name"`
	Program  string `json:"program"`
	Attached bool   `json:"attached"`
	Reason   string `json:"reason,omitempty"`
}

// Reduction is the JSON form of bpf.Reduction.
type Reduction struct {
	Name   string `json:"name"`
	Loses  string `json:"loses"`
	Reason string `json:"reason"`
	Remedy string `json:"remedy,omitempty"`
}

// Counters is the JSON form of bpf.Stats, field by field in the same order.
type Counters struct {
	Seen         uint64 `json:"seen"`
	Recorded     uint64 `json:"recorded"`
	Throttled    uint64 `json:"throttled"`
	Counted      uint64 `json:"counted"`
	Lost         uint64 `json:"lost"`
	Filtered     uint64 `json:"filtered"`
	Missed       uint64 `json:"missed"`
	Tallied      uint64 `json:"tallied"`
	TalliesLost  uint64 `json:"tallies_lost"`
	Unattributed uint64 `json:"unattributed"`
	Overflowed   uint64 `json:"overflowed"`
	Spilled      uint64 `json:"spilled"`
	Unowned      uint64 `json:"unowned"`
	LedgerRows   uint64 `json:"ledger_rows"`
	Undecodable  uint64 `json:"undecodable"`
	Dropped      uint64 `json:"dropped"`
	Delivered    uint64 `json:"delivered"`
}

func newProgramForms(programs []bpf.Status) []Program {
	forms := make([]Program, len(programs))
	for i, p := range programs {
		forms[i] = Program{
			Name:        p.Name,
			Description: p.Description,
			State:       p.State.String(),
			Reason:      p.Reason,
			Hooks:       newHookForms(p.Hooks),
			Reductions:  newReductionForms(p.Reductions),
			Counters:    Counters(p.Stats),
			MapBytes:    p.MapBytes,
		}
	}
	return forms
}

func newReductionForms(reductions []bpf.Reduction) []Reduction {
	forms := make([]Reduction, len(reductions))
	for i, r := range reductions {
		forms[i] = Reduction(r)
	}
	return forms
}

func newHookForms(hooks []bpf.Hook) []Hook {
	forms := make([]Hook, len(hooks))
	for i, h := range hooks {
		forms[i] = Hook{Name: h.Name, Program: h.Program, Attached: h.Attached, Reason: h.Reason}
	}
	return forms
}
