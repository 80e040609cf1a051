/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * run.h - runs of events of the same row
 *
 * A storm is the same event over and over. Each CPU keeps the row of its last event at hand and adds to it without
 * looking for it: the row is moved to the ledger when another one comes, or when user space drains the half it belongs
 * to. For programs with one hook: its functions must not take turns on one CPU.
 *
 * A program that kernels without recursion protection run inside itself finds the run busy and goes to the ledger. It
 * ends before the interrupted one goes on, so that plain writes suffice: an atomic one takes as long as all else that is
 * done for such an event.
 */
#ifndef KERNTAP_RUN_H
#define KERNTAP_RUN_H

#include "ledger.h"
#include "throttle.h"

/* What is counted of a run, before its row. */
struct run_head {
	struct tally tally;
	__u64 throttled; /* of all its events, like those of struct outcomes; the two only grow */
	__u64 counted;
	__u32 slot; /* of the throttle, or THROTTLE_SPENT */
	__u32 busy;
};

/* Declares the runs of a program, one for each half of its ledger, of rows of the same type. */
#define RUNS(row_type)                                                                                                 \
	struct run {                                                                                                   \
		struct run_head head;                                                                                  \
		row_type row;                                                                                          \
	};                                                                                                             \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                                               \
		__uint(max_entries, 2);                                                                                \
		__type(key, __u32);                                                                                    \
		__type(value, struct run);                                                                             \
	} runs SEC(".maps")

/* whole, the words of a row, is a constant: then there is no loop left. */
static __always_inline bool row_equal(const __u64 *one, const __u64 *other, int whole)
{
	__u64 difference = 0;

	for (int i = 0; i < whole - ROW_WORDS_ASKED_FOR; i++)
		difference |= one[i] ^ other[i];
	if (rows_are_whole())
		for (int i = whole - ROW_WORDS_ASKED_FOR; i < whole; i++)
			difference |= one[i] ^ other[i];
	return !difference;
}

/*
 * Whether an event of a run is to be recorded; if not it is counted as throttled. What the throttle has refused once it refuses
 * until the ledger is turned, if it is not switched off before: it need not be asked again.
 */
static __always_inline bool run_admits(struct run_head *head)
{
	if (throttle_is_off())
		return true;
	if (head->slot != THROTTLE_SPENT) {
		if (throttle_admits(head->slot))
			return true;
		head->slot = THROTTLE_SPENT;
	}
	head->throttled++;
	return false;
}

/* Begins a run of events of a row, after the one before it has gone to the ledger. */
#define run_begin(run, event_row, kind_of)                                                                             \
	({                                                                                                             \
		if ((run)->head.tally.count)                                                                           \
			ledger_add(&(run)->row, (run)->head.tally, kind_of(&(run)->row));                              \
		__builtin_memcpy(&(run)->row, (event_row), sizeof(*(event_row)));                                      \
		(run)->head.tally.count = 0;                                                                           \
		(run)->head.tally.sum = 0;                                                                             \
		(run)->head.slot = row_slot(event_row);                                                                \
	})

/* The CPU's run of the half that is filled now. */
#define run_now()                                                                                                      \
	({                                                                                                             \
		__u32 _half = ledger_half & 1;                                                                         \
		(struct run *)bpf_map_lookup_elem(&runs, &_half);                                                      \
	})

/* Takes a run. False: this very function was interrupted by itself. */
static __always_inline bool run_take(struct run_head *head)
{
	if (head->busy)
		return false;
	*(volatile __u32 *)&head->busy = 1;
	barrier();
	return true;
}

static __always_inline void run_release(struct run_head *head)
{
	barrier();
	*(volatile __u32 *)&head->busy = 0;
}

/* Counts an event of a run that was taken. Whether it is to be recorded: if somebody wants that, and the throttle admits it. */
static __always_inline bool run_count(struct run_head *head, __u64 amount, bool wanted)
{
	head->tally.count++;
	head->tally.sum += amount;
	if (wanted)
		return run_admits(head);
	head->counted++;
	return false;
}

/*
 * Counts an event in its row, and tells whether it is to be recorded: if somebody wants a record, and the throttle admits it.
 * If not it is counted as what becomes of it. Like ledger_add this may take the owner out of the row.
 */
#define ledger_tally_run(event_row, amount, kind_of, wanted)                                                           \
	({                                                                                                             \
		enum { _words = sizeof(*(event_row)) / sizeof(__u64) };                                                \
		bool _wanted = (wanted), _record = false;                                                              \
		__u64 _amount = (amount);                                                                              \
		struct run *_taken = run_now();                                                                        \
		if (_taken && run_take(&_taken->head)) {                                                               \
			if (!_taken->head.tally.count ||                                                               \
			    !row_equal((const __u64 *)&_taken->row, (const __u64 *)(event_row), _words))               \
				run_begin(_taken, event_row, kind_of);                                                 \
			_record = run_count(&_taken->head, _amount, _wanted);                                          \
			run_release(&_taken->head);                                                                    \
		} else {                                                                                               \
			struct tally _one = { .count = 1, .sum = _amount };                                            \
			__u32 _slot = row_slot(event_row);                                                             \
			ledger_add(event_row, _one, kind_of(event_row));                                               \
			if (_wanted)                                                                                   \
				_record = slot_admits(_slot);                                                          \
			else                                                                                           \
				ledger_count(counted);                                                                 \
		}                                                                                                      \
		_record;                                                                                               \
	})

#endif /* KERNTAP_RUN_H */
