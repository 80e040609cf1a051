package main

import (
	"sync"
	"time"
)

// lossMemory is how long after its last loss something is called unhealthy.
const lossMemory = time.Minute

// losses remembers when a count of losses last grew: one loss long ago is no reason to be called degraded for ever.
type losses struct {
	mu    sync.Mutex
	total uint64
	grew  time.Time
}

// recent takes the count as it is now and tells whether it has grown within the last minute.
func (l *losses) recent(total uint64, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if total > l.total {
		l.total, l.grew = total, now
	}
	return !l.grew.IsZero() && now.Sub(l.grew) < lossMemory
}
