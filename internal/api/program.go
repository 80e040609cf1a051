package api

import "github.com/kerntap/kerntap/internal/bpf"

// programForm is the JSON form of bpf.Status.
type programForm struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	State       string          `json:"state"`
	Reason      string          `json:"reason,omitempty"`
	Hooks       []hookForm      `json:"hooks"`
	Reductions  []reductionForm `json:"reductions,omitempty"`
	Counters    counterForm     `json:"counters"`
	MapBytes    uint64          `json:"map_bytes"`
}

// hookForm is the JSON form of bpf.Hook.
type hookForm struct {
	Name     string `json:"name"`
	Program  string `json:"program"`
	Attached bool   `json:"attached"`
	Reason   string `json:"reason,omitempty"`
}

// reductionForm is the JSON form of bpf.Reduction.
type reductionForm struct {
	Name   string `json:"name"`
	Loses  string `json:"loses"`
	Reason string `json:"reason"`
	Remedy string `json:"remedy,omitempty"`
}

// counterForm is the JSON form of bpf.Stats, field by field in the same order.
type counterForm struct {
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
	LedgerRows   uint64 `json:"ledger_rows"`
	Undecodable  uint64 `json:"undecodable"`
	Dropped      uint64 `json:"dropped"`
	Delivered    uint64 `json:"delivered"`
}

func newProgramForms(programs []bpf.Status) []programForm {
	forms := make([]programForm, len(programs))
	for i, p := range programs {
		forms[i] = programForm{
			Name:        p.Name,
			Description: p.Description,
			State:       p.State.String(),
			Reason:      p.Reason,
			Hooks:       newHookForms(p.Hooks),
			Reductions:  newReductionForms(p.Reductions),
			Counters:    counterForm(p.Stats),
			MapBytes:    p.MapBytes,
		}
	}
	return forms
}

func newReductionForms(reductions []bpf.Reduction) []reductionForm {
	forms := make([]reductionForm, len(reductions))
	for i, r := range reductions {
		forms[i] = reductionForm(r)
	}
	return forms
}

func newHookForms(hooks []bpf.Hook) []hookForm {
	forms := make([]hookForm, len(hooks))
	for i, h := range hooks {
		forms[i] = hookForm{Name: h.Name, Program: h.Program, Attached: h.Attached, Reason: h.Reason}
	}
	return forms
}
