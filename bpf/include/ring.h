/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ring.h - records on their way to user space
 */
#ifndef KERNTAP_RING_H
#define KERNTAP_RING_H

#include "ledger.h"

/*
 * Reserves room for a record and counts the attempt: recorded, or lost where the ring is full. Whoever gets room submits
 * it.
 */
#define ring_reserve(ring, size)                                                                                       \
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

static __always_inline void ring_submit(void *event)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 flags = BPF_RB_NO_WAKEUP;

	if (now - ring_woken_ns >= RING_WAKE_INTERVAL_NS) {
		ring_woken_ns = now;
		flags = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(event, flags);
}

#endif /* KERNTAP_RING_H */
