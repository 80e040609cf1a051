/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * distribution.h - how long things took
 *
 * Durations are counted in the buckets of OTLP's exponential histograms at scale 2. Their bounds, 2^(k/4) seconds, are
 * no round numbers of nanoseconds: user space fills the tables before the program is loaded, and a value is looked up
 * in them. A bound belongs to the bucket below it, as OTLP has it. Slots by the length of the number in bits alone would
 * put four values in ten into the wrong bucket.
 */
#ifndef KERNTAP_DISTRIBUTION_H
#define KERNTAP_DISTRIBUTION_H

#include "ledger.h"

enum {
	/* up to the first bound, the 184 buckets between the bounds, and above the last */
	DISTRIBUTION_SLOTS = 186,
	/* a power of two above; bounds that are not needed are larger than any duration */
	DISTRIBUTION_BOUNDS = 256,
};

struct distribution {
	__u64 sum_ns;
	__u32 slots[DISTRIBUTION_SLOTS];
};

enum { AMOUNTS = 4 };

/*
 * What a row measures: two kinds of durations, and what adds up, as the program likes. An event that is measured may be counted
 * here instead of in its row, which it need not look for then.
 */
struct measures {
	__u64 count; /* what nearly every event changes lies together: other CPUs change it too */
	__u64 amounts[AMOUNTS];
	struct distribution first;
	struct distribution second;
};

/* ascending, below 1 << 63; bucket n ends at bound n */
const volatile __u64 distribution_bounds[DISTRIBUTION_BOUNDS] = { 0 };

/* How many bounds lie below the power of two that a number is at least: by distribution_octave of the number. */
const volatile __u8 distribution_below[64] = { 0 };

/* for rows that are new */
const struct measures measures_none = {};

/*
 * Declares the measures of a program by the key of its ledger's rows, and how many of them the spill tells apart: what
 * has no room elsewhere is added there, as in overflow.
 */
#define DISTRIBUTIONS(row_type, kinds)                                                                                 \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_HASH);                                                                       \
		__uint(max_entries, 256);                                                                              \
		__type(key, row_type);                                                                                 \
		__type(value, struct measures);                                                                        \
	} distributions_0 SEC(".maps"), distributions_1 SEC(".maps");                                                  \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
		__uint(max_entries, kinds);                                                                            \
		__type(key, __u32);                                                                                    \
		__type(value, struct measures);                                                                        \
	} spill SEC(".maps")

/* A place for each length of a number in bits: no two of the 64 windows of this sequence of de Bruijn are alike. */
static __always_inline __u32 distribution_octave(__u64 value)
{
	for (int shift = 1; shift < 64; shift *= 2)
		value |= value >> shift;
	return value * 0x03f79d71b4cb0a89ULL >> 58;
}

/*
 * The number of bounds that lie below a value: of those between two powers of two there are four. Without branches, which
 * the processor would guess wrong. Verified by itself, not again for each of its results: it is global.
 */
__noinline __u32 distribution_slot(__u64 value)
{
	__u32 first = distribution_below[distribution_octave(value) & 63], below = first;

	for (int i = 0; i < 4; i++) {
		__u64 difference = distribution_bounds[(first + i) & (DISTRIBUTION_BOUNDS - 1)] - value;

		barrier_var(difference);
		below += difference >> 63;
	}
	return below;
}

static __always_inline __u32 *distribution_count(struct distribution *distribution, __u64 value)
{
	__u32 slot = distribution_slot(value);

	if (slot >= DISTRIBUTION_SLOTS)
		slot = DISTRIBUTION_SLOTS - 1;
	return &distribution->slots[slot];
}

static __always_inline void distribution_add(struct distribution *distribution, __u64 value)
{
	__sync_fetch_and_add(&distribution->sum_ns, value);
	__sync_fetch_and_add(distribution_count(distribution, value), 1);
}

/* The same where nobody else adds. */
static __always_inline void distribution_add_alone(struct distribution *distribution, __u64 value)
{
	distribution->sum_ns += value;
	++*distribution_count(distribution, value);
}

static __always_inline struct measures *measures_find(void *measures, const void *row)
{
	struct measures *found = bpf_map_lookup_elem(measures, row);

	if (unlikely(!found)) {
		bpf_map_update_elem(measures, row, &measures_none, BPF_NOEXIST);
		found = bpf_map_lookup_elem(measures, row);
	}
	return found;
}

/* Where what a row measures is added, NULL if there is no room. */
#define ledger_measures_own(row)                                                                                       \
	(ledger_half ? measures_find(&distributions_1, row) : measures_find(&distributions_0, row))

/* Where it is added then: nobody's, of its kind, which is counted. */
#define ledger_spill(kind)                                                                                             \
	({                                                                                                             \
		__u32 _kind = (kind);                                                                                  \
		ledger_count(spilled);                                                                                 \
		bpf_map_lookup_elem(&spill, &_kind);                                                                   \
	})

#define ledger_measures(row, kind)                                                                                     \
	({                                                                                                             \
		struct measures *_found = ledger_measures_own(row);                                                    \
		if (unlikely(!_found))                                                                                 \
			_found = ledger_spill(kind);                                                                   \
		_found;                                                                                                \
	})

#endif /* KERNTAP_DISTRIBUTION_H */
