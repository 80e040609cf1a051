/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * distribution.h - how long things took
 *
 * Durations are counted in the buckets of OTLP's exponential histograms at scale 2. Their bounds, 2^(k/4) seconds, are
 * no round numbers of nanoseconds: user space fills the table before the program is loaded, and a value is looked up
 * in it. A bound belongs to the bucket below it, as OTLP has it. Slots by the length of the number in bits would put
 * four values in ten into the wrong bucket.
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
	__u64 slots[DISTRIBUTION_SLOTS];
};

/* ascending; bucket n ends at bound n */
const volatile __u64 distribution_bounds[DISTRIBUTION_BOUNDS] = { 0 };

/* for rows that are new */
const struct distribution distribution_none = {};

/*
 * Declares the distributions of a program by the key of its ledger's rows, and how many of them the spill tells apart:
 * what has no room elsewhere is added there, as in overflow.
 */
#define DISTRIBUTIONS(row_type, kinds)                                                                                 \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_HASH);                                                                       \
		__uint(max_entries, 256);                                                                              \
		__type(key, row_type);                                                                                 \
		__type(value, struct distribution);                                                                    \
	} distributions_0 SEC(".maps"), distributions_1 SEC(".maps");                                                  \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
		__uint(max_entries, kinds);                                                                            \
		__type(key, __u32);                                                                                    \
		__type(value, struct distribution);                                                                    \
	} spill SEC(".maps")

/* The number of bounds that lie below a value. Verified by itself, not again for each of its results: it is global. */
__noinline __u32 distribution_slot(__u64 value)
{
	__u32 below = 0;

	for (__u32 step = DISTRIBUTION_BOUNDS / 2; step; step /= 2)
		if (distribution_bounds[(below + step - 1) & (DISTRIBUTION_BOUNDS - 1)] < value)
			below += step;
	return below;
}

static __always_inline void distribution_add(struct distribution *distribution, __u32 slot, __u64 value)
{
	if (slot >= DISTRIBUTION_SLOTS)
		slot = DISTRIBUTION_SLOTS - 1;
	__sync_fetch_and_add(&distribution->sum_ns, value);
	__sync_fetch_and_add(&distribution->slots[slot], 1);
}

static __always_inline bool distributions_add(void *distributions, const void *row, __u32 slot, __u64 value)
{
	struct distribution *distribution = bpf_map_lookup_elem(distributions, row);

	if (!distribution) {
		bpf_map_update_elem(distributions, row, &distribution_none, BPF_NOEXIST);
		distribution = bpf_map_lookup_elem(distributions, row);
		if (!distribution)
			return false;
	}
	distribution_add(distribution, slot, value);
	return true;
}

#define ledger_measure(row, duration, kind)                                                                            \
	({                                                                                                             \
		__u64 _value = (duration);                                                                             \
		__u32 _slot = distribution_slot(_value);                                                               \
		if (ledger_half ? !distributions_add(&distributions_1, row, _slot, _value)                             \
				: !distributions_add(&distributions_0, row, _slot, _value)) {                          \
			__u32 _kind = (kind);                                                                          \
			struct distribution *_spill = bpf_map_lookup_elem(&spill, &_kind);                             \
			if (_spill)                                                                                    \
				distribution_add(_spill, _slot, _value);                                               \
			ledger_count(spilled);                                                                         \
		}                                                                                                      \
	})

#endif /* KERNTAP_DISTRIBUTION_H */
