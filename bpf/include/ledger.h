/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ledger.h - how many there were, and what became of each
 *
 * A program that has an event adds it to the row of its kind (ledger_tally, or with what it measures: distribution.h), or
 * counts it as filtered if nobody wants it. Then it says what becomes of the event's record: counted (nobody wants one),
 * throttled, recorded or lost.
 *
 *     tallied = recorded + throttled + counted + lost		seen = tallied + filtered + missed
 *
 * Missed is the kernel's own count of runs that it skipped because the program was already running on that CPU
 * (recursion_misses).
 *
 * Rows lie in two halves. User space turns ledger_half and updates a map in a map, which returns only when every
 * program that still fills the old half has ended (1ae80cf31938 "bpf: wait for running BPF programs when updating
 * map-in-map", 4.20): then the old half is at rest and is drained and emptied without a race. What fits into no half
 * is counted in overflow, which only grows.
 *
 * Additions to rows are atomic although rows are per CPU: kernels without recursion protection run a program inside itself.
 */
#ifndef KERNTAP_LEDGER_H
#define KERNTAP_LEDGER_H

#include <bpf/bpf_helpers.h>
#include "event.h"
#include "kernel.h"

/* What runs (run.h) and rows that are kept (row_cache.h) have throttled and counted is to be added. */
struct outcomes {
	__u64 recorded;	    /* went into the ring */
	__u64 throttled;    /* over the limit of records, counted in its row all the same */
	__u64 counted;	    /* no record of such an event is wanted */
	__u64 lost;	    /* the ring was full */
	__u64 filtered;	    /* left out on purpose, counted in no row */
	__u64 unattributed; /* counted in its row, but for no process: there was no room for one more */
	__u64 overflowed;   /* counted for nobody in particular: there was no room for one more row */
	__u64 spilled;	    /* measured for nobody in particular, likewise */
	__u64 unowned;	    /* no event: how often there was no room to keep the owner of one more socket */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct outcomes);
} outcomes SEC(".maps");

#define ledger_count(outcome) ledger_count_more(outcome, 1)

#define ledger_count_more(outcome, n)                                                                                  \
	({                                                                                                             \
		__u32 _key = 0;                                                                                        \
		struct outcomes *_row = bpf_map_lookup_elem(&outcomes, &_key);                                         \
		if (_row)                                                                                              \
			__sync_fetch_and_add(&_row->outcome, (n));                                                     \
	})

/* The half that is filled, 0 or 1; user space turns it. */
volatile __u32 ledger_half;

/* How many events a row counts, and the sum of what they measure: bytes, for example. */
struct tally {
	__u64 count;
	__u64 sum;
};

/* Every row ends with whose events it counts; zero where that is not known or does not matter. */
struct row_owner {
	char command[16];
	__u64 cgroup_id; /* from here on for whoever asked for it */
	char executable[32];
};

/* What tells rows apart beside the command; for whoever asked for it: each multiplies rows. */
enum {
	ROWS_BY_CGROUP = 1 << 0,
	ROWS_BY_EXECUTABLE = 1 << 1,
	ROWS_BY_PORT = 1 << 2,	    /* of a server */
	ROWS_BY_INTERFACE = 1 << 3, /* of a packet that was dropped */
};

const volatile __u32 rows_by;

enum {
	ROW_ASKED_FOR = sizeof(struct row_owner) - sizeof(((struct row_owner *)0)->command),
	ROW_WORDS_ASKED_FOR = ROW_ASKED_FOR / sizeof(__u64),
};

/* Where neither is asked for, user space makes the keys of rows end before them: half of them is shorter to look for. */
static __always_inline bool rows_are_whole(void)
{
	return rows_by & (ROWS_BY_CGROUP | ROWS_BY_EXECUTABLE);
}

static __always_inline void row_owner_set(struct row_owner *who, const struct owner *owner)
{
	__builtin_memcpy(who->command, owner->command, sizeof(who->command));
	if (rows_by & ROWS_BY_CGROUP)
		who->cgroup_id = owner->cgroup_id;
	if (rows_by & ROWS_BY_EXECUTABLE)
		__builtin_memcpy(who->executable, owner->executable, sizeof(who->executable));
}

/*
 * Declares the rows of a program: their key, which ends with its struct row_owner, who, has no undefined padding and is
 * a multiple of 8 bytes long, and how many kinds the overflow tells apart. User space sizes the rows.
 */
#define LEDGER(row_type, kinds)                                                                                        \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_PERCPU_HASH);                                                                \
		__uint(max_entries, 1024);                                                                             \
		__type(key, row_type);                                                                                 \
		__type(value, struct tally);                                                                           \
	} rows_0 SEC(".maps"), rows_1 SEC(".maps");                                                                    \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
		__uint(max_entries, kinds);                                                                            \
		__type(key, __u32);                                                                                    \
		__type(value, struct tally);                                                                           \
	} overflow SEC(".maps")

static __always_inline void tally_add(struct tally *tally, const struct tally *more)
{
	__sync_fetch_and_add(&tally->count, more->count);
	if (more->sum)
		__sync_fetch_and_add(&tally->sum, more->sum);
}

/* Adds to a row and makes it if it is new; false if there is no room for it. */
static __always_inline bool rows_add(void *rows, const void *row, const struct tally *more)
{
	struct tally *tally = bpf_map_lookup_elem(rows, row);

	if (unlikely(!tally)) {
		struct tally none = {};

		bpf_map_update_elem(rows, row, &none, BPF_NOEXIST);
		tally = bpf_map_lookup_elem(rows, row);
		if (!tally)
			return false;
	}
	tally_add(tally, more);
	return true;
}

/*
 * Adds to a row. Without room for one more row the events are counted in the row of nobody in particular, and without
 * room for that in the overflow of their kind: *row is changed then.
 */
#define ledger_add(row, amount, kind)                                                                                  \
	({                                                                                                             \
		struct tally _more = (amount);                                                                         \
		if (unlikely(ledger_half ? !rows_add(&rows_1, row, &_more) : !rows_add(&rows_0, row, &_more))) {       \
			__builtin_memset(&(row)->who, 0, sizeof((row)->who));                                          \
			if (ledger_half ? !rows_add(&rows_1, row, &_more) : !rows_add(&rows_0, row, &_more)) {         \
				__u32 _kind = (kind);                                                                  \
				struct tally *_overflow = bpf_map_lookup_elem(&overflow, &_kind);                      \
				if (_overflow)                                                                         \
					tally_add(_overflow, &_more);                                                  \
			}                                                                                              \
			/* after the fact: whoever sees this finds what it speaks of */                                \
			ledger_count_more(overflowed, _more.count);                                                    \
		}                                                                                                      \
	})

/* Counts one event in its row, as ledger_add does. */
#define ledger_tally(row, kind) ledger_add(row, ((struct tally){ .count = 1 }), kind)

/* What a row counts is counted for its process too, where one is known: not per CPU, because processes are many. */
struct process_row {
	__u64 place; /* tells kinds of events apart, as the program likes */
	__u32 kind;
	__u32 pid;
	char command[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct process_row);
	__type(value, __u64);
} processes_0 SEC(".maps"), processes_1 SEC(".maps");

static __always_inline bool processes_add(void *processes, const struct process_row *row)
{
	__u64 none = 0, *count = bpf_map_lookup_elem(processes, row);

	if (unlikely(!count)) {
		bpf_map_update_elem(processes, row, &none, BPF_NOEXIST);
		count = bpf_map_lookup_elem(processes, row);
		if (!count)
			return false;
	}
	__sync_fetch_and_add(count, 1);
	return true;
}

static __always_inline void ledger_charge(const struct owner *owner, __u32 kind, __u64 place)
{
	struct process_row row = { .place = place, .kind = kind, .pid = owner->pid };

	if (!owner->pid)
		return;
	__builtin_memcpy(row.command, owner->command, sizeof(row.command));
	if (unlikely(ledger_half ? !processes_add(&processes_1, &row) : !processes_add(&processes_0, &row)))
		ledger_count(unattributed);
}

#endif /* KERNTAP_LEDGER_H */
