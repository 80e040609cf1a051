/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * row_cache.h - the rows that a CPU is counting in, with what they measure
 *
 * A row is looked for by its whole key, and what it measures is changed by all CPUs. So each CPU keeps one row of each kind
 * that the program tells apart: the first of a turn of the ledger, which that of a storm is. The kind's other rows are
 * counted in the ledger itself.
 *
 * Of what a CPU keeps user space looks at the heads every time, and at the measures of rows that have counted something.
 *
 * Who counts in a row takes it first. A function that another one interrupts, or displaces on kernels that preempt programs,
 * finds it taken and goes to the ledger. So nobody else is there, and plain additions suffice: atomic ones take as long as
 * all else that is done.
 */
#ifndef KERNTAP_ROW_CACHE_H
#define KERNTAP_ROW_CACHE_H

#include "distribution.h"
#include "run.h"

/* What is counted in a row, before its key. */
struct cached_head {
	struct run_head run;
	__u64 charged; /* events that are counted for a process too */
	__u32 pid;     /* of the process, whose command is the row's; 0: none yet */
	__u32 _pad;
};

/*
 * Not on kernels before 5.12: to take a row takes an atomic operation that fetches. And not where possible CPUs are so many that
 * it would take too much of the ledger's memory.
 */
const volatile bool rows_are_kept = true;

/* Declares the rows that are kept of a program, of the same type as its ledger's: one of each kind for each half. */
#define ROW_CACHE(row_type, kinds)                                                                                     \
	enum { ROW_CACHE_KINDS = kinds };                                                                              \
	struct cached_row {                                                                                            \
		struct cached_head head;                                                                               \
		row_type row;                                                                                          \
	};                                                                                                             \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                                               \
		__uint(max_entries, 2 * ROW_CACHE_KINDS);                                                              \
		__type(key, __u32);                                                                                    \
		__type(value, struct cached_row);                                                                      \
	} row_cache SEC(".maps");                                                                                      \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                                               \
		__uint(max_entries, 2 * ROW_CACHE_KINDS);                                                              \
		__type(key, __u32);                                                                                    \
		__type(value, struct measures);                                                                        \
	} measures_cache SEC(".maps")

static __always_inline bool cached_take(struct cached_head *head)
{
	return !head->run.busy && !__sync_lock_test_and_set(&head->run.busy, 1);
}

static __always_inline void cached_release(struct cached_head *head)
{
	barrier();
	*(volatile __u32 *)&head->run.busy = 0;
}

/* Where a row of a kind is kept now, with what it measures. */
#define row_cache_key(kind) ((ledger_half & 1) * ROW_CACHE_KINDS + (kind))

/* Takes what is kept there, whichever row that is. NULL: there is none yet, or it is taken. */
#define row_cache_take_any(key)                                                                                        \
	({                                                                                                             \
		struct cached_row *_any = bpf_map_lookup_elem(&row_cache, key);                                        \
		if (_any && !(_any->head.run.tally.count && cached_take(&_any->head)))                                 \
			_any = 0;                                                                                      \
		_any;                                                                                                  \
	})

/* Takes what is kept there, if it is this row, or none yet. NULL: the event is to be counted in the ledger. */
#define row_cache_take(event_row, key)                                                                                 \
	({                                                                                                             \
		enum { _words = sizeof(*(event_row)) / sizeof(__u64) };                                                \
		struct cached_row *_taken = 0, *_cached = bpf_map_lookup_elem(&row_cache, key);                        \
		if (_cached && cached_take(&_cached->head)) {                                                          \
			if (unlikely(!_cached->head.run.tally.count)) {                                                \
				__builtin_memcpy(&_cached->row, (event_row), sizeof(*(event_row)));                    \
				_cached->head.run.slot = row_slot(event_row);                                          \
				_taken = _cached;                                                                      \
			} else if (row_equal((const __u64 *)&_cached->row, (const __u64 *)(event_row), _words))        \
				_taken = _cached;                                                                      \
			else                                                                                           \
				cached_release(&_cached->head);                                                        \
		}                                                                                                      \
		_taken;                                                                                                \
	})

/* Counts an event that is in a row that was taken for its process too. */
static __always_inline void cached_charge(struct cached_head *head, const struct owner *owner)
{
	if (!owner->pid)
		return;
	if (unlikely(!head->pid))
		head->pid = owner->pid;
	if (likely(head->pid == owner->pid))
		head->charged++;
	else
		ledger_charge(owner, 0, 0);
}

#endif /* KERNTAP_ROW_CACHE_H */
