package bpf

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/kerntap/kerntap/internal/filter"
)

// ErrFixed is what a program answers whose settings do not change while it runs.
var ErrFixed = errors.New("its settings do not change while it runs")

// tunable are the common knobs that may change while programs run.
func (s *Session) tunable() Knobs {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Knobs{
		"scope_netns":      s.ScopeNetNS,
		"throttle_row":     s.Throttle.Row,
		"throttle_program": s.Throttle.Program,
		"throttle_first":   s.Throttle.First,
	}
}

// filterSets holds the filters twice, so that programs which run never see half of new ones: those that hold, which is 1 or
// 2, and 0 while everything is wanted; and the ones before.
type filterSets struct {
	sets  [2]wireFilterSet
	last  int // the one that was filled last
	holds uint32
}

func (f *filterSets) follow(rules filter.Rules) {
	if !rules.Any() {
		f.holds = 0
		return
	}
	f.last = 1 - f.last
	f.sets[f.last] = wireFilters(rules)
	f.holds = uint32(f.last) + 1
}

// setFilters tells variables the filters: what they are before that they hold.
func (s *Session) setFilters(set func(Knobs) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(set(Knobs{"filter_sets": s.filters.sets}), set(Knobs{"filters": s.filters.holds}))
}

// Tune changes what all programs of the session are told while they run. Each takes it over with its own Retune, and
// those that are loaded later when they are.
func (s *Session) Tune(throttle Throttle, scopeNetNS uint32, filters filter.Rules) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Throttle, s.ScopeNetNS = throttle, scopeNetNS
	if !reflect.DeepEqual(s.wanted, filters) {
		s.wanted = filters
		s.filters.follow(filters)
	}
}

// Retune makes a program that runs follow other settings, and what Tune has changed. Its hooks stay attached, so that
// nothing is missed meanwhile. Settings that are wrong are refused, and then nothing changes; nil leaves the program's own
// as they are.
func (p *Program) Retune(settings Settings) error {
	p.verbs.Lock()
	defer p.verbs.Unlock()
	if err := p.retune(settings); err != nil {
		return fmt.Errorf("retune program %s: %w", p.spec.Name, err)
	}
	return nil
}

func (p *Program) retune(settings Settings) error {
	p.mu.Lock()
	object := p.object
	p.mu.Unlock()
	if object == nil {
		return nil // it has failed, or has stopped
	}
	own := Knobs{}
	if settings != nil {
		if p.spec.Retune == nil {
			return ErrFixed
		}
		var err error
		if own, err = p.spec.Retune(settings); err != nil {
			return err
		}
	}
	variables := object.collection.Variables
	return errors.Join(
		setKnobs(variables, p.session.tunable()),
		p.session.setFilters(func(knobs Knobs) error { return setKnobs(variables, knobs) }),
		setKnobs(variables, own))
}
