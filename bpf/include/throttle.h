/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * throttle.h - how many of the counted events are recorded in full
 *
 * Between two turns of the ledger a row emits at most throttle_row records and the whole program throttle_program. The
 * first record of a row has an allowance of its own, throttle_first, so that a storm does not hide what is rare. What
 * has been used is counted in slots that user space empties with the half they belong to: no clock is read. Rows share a
 * slot by chance; records are samples, and only the tallies are exact.
 */
#ifndef KERNTAP_THROTTLE_H
#define KERNTAP_THROTTLE_H

#include "ledger.h"

enum {
	THROTTLE_SLOTS = 4096,
	THROTTLE_SPENT = 0xffffffff, /* in the place of a slot: what it allows is used up */
};

struct allowance {
	__u32 records;
	__u32 firsts;
	__u32 rows[THROTTLE_SLOTS];
};

/* one for each half of the ledger */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct allowance);
} allowances SEC(".maps");

/* 0: no limit. Not const: they may change while the program runs */
volatile __u32 throttle_row;
volatile __u32 throttle_program;
volatile __u32 throttle_first;

/*
 * Takes one from a limit. Adding before looking keeps the limit when CPUs race: each finds at least its own number. That
 * racers may leave some of it unused does no harm.
 */
static __always_inline bool allowance_take(__u32 *used, __u32 limit)
{
	if (!limit)
		return true;
	if (*(volatile __u32 *)used >= limit)
		return false;
	__sync_fetch_and_add(used, 1);
	return *(volatile __u32 *)used <= limit;
}

static __always_inline __u32 throttle_slot(const __u64 *words, int whole)
{
	int count = rows_are_whole() ? whole : whole - ROW_WORDS_ASKED_FOR;
	__u64 hash = 0;

	for (int i = 0; i < whole && i < count; i++)
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ULL;
	return hash >> 52;
}

#define row_slot(row) throttle_slot((const __u64 *)(row), sizeof(*(row)) / sizeof(__u64))

static __always_inline bool throttle_admits(__u32 slot)
{
	__u32 half = ledger_half & 1, *used;
	struct allowance *allowance = bpf_map_lookup_elem(&allowances, &half);

	if (!allowance)
		return false;
	used = &allowance->rows[slot & (THROTTLE_SLOTS - 1)];
	if (!*(volatile __u32 *)used && allowance_take(&allowance->firsts, throttle_first)) {
		__sync_fetch_and_add(used, 1);
		return true;
	}
	return allowance_take(used, throttle_row) && allowance_take(&allowance->records, throttle_program);
}

static __always_inline bool throttle_is_off(void)
{
	return !throttle_row && !throttle_program;
}

/* Whether an event is to be recorded whose row has this slot; if not it is counted as throttled. */
static __always_inline bool slot_admits(__u32 slot)
{
	if (throttle_is_off() || throttle_admits(slot))
		return true;
	ledger_count(throttled);
	return false;
}

/* The same for a row. */
#define ledger_admits(row) slot_admits(row_slot(row))

#endif /* KERNTAP_THROTTLE_H */
