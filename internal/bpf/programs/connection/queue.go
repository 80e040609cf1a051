package connection

import (
	"fmt"

	"github.com/kerntap/kerntap/internal/telemetry"
)

// Queue is what waits at a listener to be accepted.
type Queue struct {
	// Waiting is how many connections are established and wait; more than Limit do not: then the queue is full, and the kernel
	// drops what would make another one (sk_acceptq_is_full, include/net/sock.h).
	Waiting, Limit uint32
}

// String says whether the queue is the reason why packets are dropped.
func (q Queue) String() string {
	if q.Waiting > q.Limit {
		return fmt.Sprintf("its queue is full, %d wait to be accepted", q.Waiting)
	}
	return fmt.Sprintf("%d wait to be accepted, and its queue is full with %d", q.Waiting, uint64(q.Limit)+1)
}

func (q Queue) attributes(dst []telemetry.Attribute) []telemetry.Attribute {
	return append(dst,
		telemetry.Int(telemetry.TCPListenWaiting, int64(q.Waiting)),
		telemetry.Int(telemetry.TCPListenLimit, int64(q.Limit)))
}

// packets is how many there are, in words.
func packets(n uint32) string {
	if n == 1 {
		return "1 packet"
	}
	return fmt.Sprintf("%d packets", n)
}
