/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_count.h - what happened to a connection is counted and measured: with the rows that its CPU is counting in, or in
 * the ledger
 */
#ifndef KERNTAP_CONNECTION_COUNT_H
#define KERNTAP_CONNECTION_COUNT_H

#include "connection_row.h"
#include "row_cache.h"
#include "throttle.h"

/* Moves what has been counted forward, on whichever CPU that happens, and returns by how much. */
static __always_inline __u64 traffic_advance(__u64 *told, __u64 now)
{
	__u64 before = *(volatile __u64 *)told;

	if (now <= before)
		return 0;
	if (!open_are_told) {
		*told = now;
		return now - before;
	}
	if (likely(__sync_val_compare_and_swap(told, before, now) == before))
		return now - before;
	/* the walk over open connections was faster; it comes here once only */
	before = *(volatile __u64 *)told;
	if (now <= before || __sync_val_compare_and_swap(told, before, now) != before)
		return 0;
	return now - before;
}

/* What a connection carried since it was last told. */
static __always_inline void traffic_tell(__u64 more[AMOUNTS], struct socket_owner *known, const struct traffic *now)
{
	more[AMOUNT_SENT] = traffic_advance(&known->told.sent, now->sent);
	more[AMOUNT_RECEIVED] = traffic_advance(&known->told.received, now->received);
	more[AMOUNT_SEGMENTS_OUT] = traffic_advance(&known->told.segments_out, now->segments_out);
	more[AMOUNT_SEGMENTS_IN] = traffic_advance(&known->told.segments_in, now->segments_in);
}

static __always_inline bool end_lasted(const struct connection_end *end, const struct socket_owner *known)
{
	return end->duration_ns && !(known && known->attribution == ATTRIBUTION_HOLDER);
}

/* Measures an end of a connection, or how long a connect took, in the ledger. Whether that has counted it. */
static __always_inline bool connection_measure(struct connection_row *row, struct socket_owner *known,
					       const struct connection_end *end, const struct traffic *traffic)
{
	bool lasted = end_lasted(end, known);
	struct measures *own, *measures;
	__u64 more[AMOUNTS];

	if (!lasted && end->outcome == OUTCOME_OPENED)
		return false;
	own = measures = ledger_measures_own(row);
	if (likely(own))
		__sync_fetch_and_add(&own->count, 1);
	else
		measures = ledger_spill(end->outcome & 3);
	if (!measures)
		return false;
	if (lasted)
		distribution_add(&measures->first, end->duration_ns);
	if (end->outcome == OUTCOME_CLOSED && traffic->rtt_us)
		distribution_add(&measures->second, traffic->rtt_us * 1000ULL);
	if (end->outcome != OUTCOME_OPENED && known) {
		traffic_tell(more, known, traffic);
		for (int i = 0; i < AMOUNTS; i++)
			amount_add(measures, i, more[i]);
	}
	return own;
}

/* The same beside a row that was taken. */
static __always_inline void connection_measure_alone(struct measures *measures, struct socket_owner *known,
						     const struct connection_end *end, const struct traffic *traffic)
{
	__u64 more[AMOUNTS];

	if (end_lasted(end, known))
		distribution_add_alone(&measures->first, end->duration_ns);
	if (end->outcome == OUTCOME_CLOSED && traffic->rtt_us)
		distribution_add_alone(&measures->second, traffic->rtt_us * 1000ULL);
	if (end->outcome == OUTCOME_OPENED || !known)
		return;
	traffic_tell(more, known, traffic);
	for (int i = 0; i < AMOUNTS; i++)
		measures->amounts[i] += more[i];
}

/* Who has asked for a connection: its attempt is counted for that process too. */
static __always_inline const struct owner *connection_charged(struct socket_owner *known, const struct connection_end *end)
{
	return known && end->role == ROLE_CLIENT && end->outcome != OUTCOME_CLOSED ? &known->owner : 0;
}

static __noinline int connection_count_in_ledger(struct connection_row *row, struct socket_owner *known,
						 const struct connection_end *end, const struct traffic *traffic)
{
	const struct owner *charged = connection_charged(known, end);

	if (charged)
		ledger_charge(charged, 0, 0);
	if (!connection_measure(row, known, end, traffic))
		connection_tally(row);
	return ledger_admits(row);
}

/* Counts what happened in a row that was taken, and measures how long it took. Whether it is to be recorded. */
static __always_inline bool connection_count_in(struct cached_row *cached, __u32 key, struct socket_owner *known,
						const struct connection_end *end, const struct traffic *traffic)
{
	const struct owner *charged = connection_charged(known, end);
	struct measures *measures;
	bool recorded;

	cached->head.run.tally.count++;
	if (charged)
		cached_charge(&cached->head, charged);
	measures = bpf_map_lookup_elem(&measures_cache, &key);
	if (likely(measures))
		connection_measure_alone(measures, known, end, traffic);
	recorded = run_admits(&cached->head.run);
	cached_release(&cached->head);
	return recorded;
}

/* Counts what happened and measures how long it took. Whether it is to be recorded, within the throttle. */
static __always_inline bool connection_count(struct connection_row *row, struct socket_owner *known,
					     const struct connection_end *end, const struct traffic *traffic)
{
	__u32 key = row_cache_key(connection_cached(row->outcome, row->role));
	struct cached_row *cached = rows_are_kept ? row_cache_take(row, &key) : 0;

	if (unlikely(!cached))
		return connection_count_in_ledger(row, known, end, traffic);
	return connection_count_in(cached, key, known, end, traffic);
}

/* What happened is what a row counts, where rows tell nothing apart that was asked for. */
static __always_inline bool connection_is(const struct connection_row *row, const struct socket_owner *known,
					  const struct connection_end *end, __u8 family)
{
	const __u64 *one = (const __u64 *)row->who.command, *other = (const __u64 *)known->owner.command;

	return row->error == end->error && row->family == family && row->outcome == end->outcome && row->role == end->role &&
	       row->active == end->active && !((one[0] ^ other[0]) | (one[1] ^ other[1]));
}

/*
 * The row that the CPU keeps, taken, if what happened belongs to it. It is compared without a row being made, which takes as
 * long as to count.
 */
static __always_inline struct cached_row *connection_again(__u32 *key, const struct socket_owner *known,
							   const struct connection_end *end, __u8 family)
{
	struct cached_row *cached;

	if (!rows_are_kept || rows_by & ~ROWS_BY_INTERFACE || !known)
		return 0;
	*key = row_cache_key(connection_cached(end->outcome, end->role));
	cached = row_cache_take_any(key);
	if (cached && unlikely(!connection_is(&cached->row, known, end, family))) {
		cached_release(&cached->head);
		return 0;
	}
	return cached;
}

#endif /* KERNTAP_CONNECTION_COUNT_H */
