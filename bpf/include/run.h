/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * run.h - runs of events of the same row
 *
 * A storm is the same event over and over. Each CPU keeps the row of its last event at hand and adds to it without
 * looking for it: the row is moved to the ledger when another one comes, or when user space drains the half it belongs
 * to. For programs with one hook: its functions must not take turns on one CPU.
 *
 * A program that kernels without recursion protection run inside itself finds the run busy and goes to the ledger. It
 * ends before the interrupted one goes on, so that plain writes suffice.
 */
#ifndef KERNTAP_RUN_H
#define KERNTAP_RUN_H

#include "ledger.h"
#include "throttle.h"

/* Declares the runs of a program, one for each half of its ledger, of rows of the same type. */
#define RUNS(row_type)                                                                                                 \
	struct run {                                                                                                   \
		struct tally tally;                                                                                    \
		__u32 slot; /* of the throttle */                                                                      \
		__u32 busy;                                                                                            \
		row_type row;                                                                                          \
	};                                                                                                             \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                                               \
		__uint(max_entries, 2);                                                                                \
		__type(key, __u32);                                                                                    \
		__type(value, struct run);                                                                             \
	} runs SEC(".maps")

static __always_inline bool row_equal(const __u64 *one, const __u64 *other, int words)
{
	__u64 difference = 0;

	for (int i = 0; i < words; i++)
		difference |= one[i] ^ other[i];
	return !difference;
}

/* Counts an event in its row, which is not changed. Returns the row's slot of the throttle. */
#define ledger_tally_run(event_row, amount, kind_of)                                                                   \
	({                                                                                                             \
		enum { _words = sizeof(*(event_row)) / sizeof(__u64) };                                                \
		__u32 _half = ledger_half & 1, _slot = 0;                                                              \
		__u64 _amount = (amount);                                                                              \
		struct run *_run = bpf_map_lookup_elem(&runs, &_half);                                                 \
		if (_run && !_run->busy) {                                                                             \
			*(volatile __u32 *)&_run->busy = 1;                                                            \
			barrier();                                                                                     \
			if (!_run->tally.count ||                                                                      \
			    !row_equal((const __u64 *)&_run->row, (const __u64 *)(event_row), _words)) {               \
				if (_run->tally.count)                                                                 \
					ledger_add(&_run->row, _run->tally, kind_of(&_run->row));                      \
				__builtin_memcpy(&_run->row, (event_row), sizeof(*(event_row)));                       \
				_run->tally.count = 0;                                                                 \
				_run->tally.sum = 0;                                                                   \
				_run->slot = throttle_slot((const __u64 *)(event_row), _words);                        \
			}                                                                                              \
			_run->tally.count++;                                                                           \
			_run->tally.sum += _amount;                                                                    \
			_slot = _run->slot;                                                                            \
			barrier();                                                                                     \
			*(volatile __u32 *)&_run->busy = 0;                                                            \
		} else {                                                                                               \
			typeof(*(event_row)) _copy = *(event_row);                                                     \
			struct tally _one = { .count = 1, .sum = _amount };                                            \
			_slot = throttle_slot((const __u64 *)(event_row), _words);                                     \
			ledger_add(&_copy, _one, kind_of(&_copy));                                                     \
		}                                                                                                      \
		_slot;                                                                                                 \
	})

#endif /* KERNTAP_RUN_H */
