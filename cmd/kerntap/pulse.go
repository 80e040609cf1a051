package main

import (
	"time"

	"github.com/kerntap/kerntap/internal/bpf"
)

// sign is something that shows whether a part of kerntap is alive.
type sign struct {
	name string
	// count grows whenever the part has done something.
	count uint64
	// idle is a part that has nothing to do.
	idle bool
	// every is how often the part does something.
	every time.Duration
}

// moment is when a count was last seen to grow, or its part idle.
type moment struct {
	count uint64
	at    time.Time
}

// pulse remembers signs. It belongs to one goroutine.
type pulse struct {
	// patience is how long a part may stand still, those that move seldom three times as long as they wait.
	patience time.Duration
	seen     map[string]moment
}

// feel takes the signs as they are now and names those that have stood still for too long.
func (p *pulse) feel(signs []sign, now time.Time) (stuck []string) {
	before := p.seen
	p.seen = make(map[string]moment, len(signs))
	for _, s := range signs {
		last, known := before[s.name]
		if !known || s.idle || s.count != last.count {
			last = moment{s.count, now}
		}
		p.seen[s.name] = last
		if now.Sub(last.at) > max(p.patience, 3*s.every) {
			stuck = append(stuck, s.name)
		}
	}
	return stuck
}

// signs are those of the dispatcher and of the drainer of each program that runs.
func (e *engine) signs() []sign {
	handled, taken := e.handled.Load(), e.taken.Load()
	all := []sign{{name: "dispatcher", count: handled, idle: handled == taken && len(e.manager.GetAggregatedEvents()) == 0}}
	for _, status := range e.manager.Statuses() {
		if status.State == bpf.Running {
			all = append(all, sign{name: "drainer of " + status.Name, count: status.Drains, every: e.session.DrainEvery})
		}
	}
	return all
}
