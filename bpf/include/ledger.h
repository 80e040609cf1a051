/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ledger.h - what became of every event that a program saw
 *
 * seen = recorded + filtered + lost + missed. Missed is the kernel's own count of runs that it skipped because the
 * program was already running on that CPU (recursion_misses); the others are counted here. A program counts seen when it
 * has an event, before it decides what becomes of it: so the sum can be checked.
 */
#ifndef KERNTAP_LEDGER_H
#define KERNTAP_LEDGER_H

#include <bpf/bpf_helpers.h>
#include "kernel.h"

struct outcomes {
	__u64 seen;
	__u64 recorded; /* went into the ring */
	__u64 filtered; /* left out on purpose */
	__u64 lost;	/* the ring was full */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct outcomes);
} outcomes SEC(".maps");

/* Atomic even though the row is per CPU: kernels without recursion protection run a program inside itself. */
#define ledger_count(outcome)                                                                                          \
	({                                                                                                             \
		__u32 _key = 0;                                                                                        \
		struct outcomes *_row = bpf_map_lookup_elem(&outcomes, &_key);                                         \
		if (_row)                                                                                              \
			__sync_fetch_and_add(&_row->outcome, 1);                                                       \
	})

/*
 * Reserves room for an event and counts the attempt: recorded, or lost where the ring is full. Whoever gets room
 * submits it.
 */
#define ledger_reserve(ring, size)                                                                                     \
	({                                                                                                             \
		void *_room = bpf_ringbuf_reserve(ring, size, 0);                                                      \
		if (_room)                                                                                             \
			ledger_count(recorded);                                                                        \
		else                                                                                                   \
			ledger_count(lost);                                                                            \
		_room;                                                                                                 \
	})

/*
 * Waking the reader costs more than all the rest of an event: it interrupts this CPU, which takes microseconds on a
 * virtual machine. So the reader is woken once in two milliseconds at most, and looks again five after it found the
 * ring empty: what was submitted without a wake-up is there by then. That the moment is taken after the reservation
 * matters: the reader does not sleep while there is room reserved.
 */
enum { RING_WAKE_INTERVAL_NS = 2000000 };

__u64 ring_woken_ns;

static __always_inline void ledger_submit(void *event)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 flags = BPF_RB_NO_WAKEUP;

	if (now - ring_woken_ns >= RING_WAKE_INTERVAL_NS) {
		ring_woken_ns = now;
		flags = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(event, flags);
}

#endif /* KERNTAP_LEDGER_H */
