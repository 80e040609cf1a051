/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_row.h - what connection.bpf.c counts of connections, and how far each has been counted
 */
#ifndef KERNTAP_CONNECTION_ROW_H
#define KERNTAP_CONNECTION_ROW_H

#include <bpf/bpf_endian.h>
#include "distribution.h"
#include "ledger.h"
#include "owner.h"
#include "row_cache.h"
#include "traffic.h"

enum outcome {
	OUTCOME_OPENED = 1,
	OUTCOME_FAILED = 2,
	OUTCOME_CLOSED = 3,
	OUTCOME_LISTEN_DROPPED = 4, /* of records alone: what a listener dropped is counted in rows without outcome */
};

/* Why a connect failed was skipped: the process has taken the error from the socket, or there was none and it gave up. */
enum { ERROR_UNSEEN = -1 };

struct connection_row {
	__s32 error;
	__u16 port; /* of the server, where rows tell ports apart */
	__u8 family;
	__u8 outcome; /* 0: what open connections carried, and the packets that listeners refused */
	__u8 role;
	__u8 active; /* the row's events change how many connections there are */
	__u8 protocol;
	__u8 _pad[5];
	struct row_owner who;
};

/*
 * The overflow's kind is outcome, role, family, active, error and whether it is UDP in 2, 2, 1, 1, 7 and 1 bits, the
 * spill's the outcome.
 */
LEDGER(struct connection_row, 16384);
DISTRIBUTIONS(struct connection_row, 4);

/* the rows that each CPU keeps: opened and closed by role, and failed */
enum { CACHED_FAILED = 4 };
ROW_CACHE(struct connection_row, CACHED_FAILED + 1);

/* what the amounts of a row's measures are */
enum {
	AMOUNT_SENT,
	AMOUNT_RECEIVED,
	AMOUNT_SEGMENTS_OUT,
	AMOUNT_SEGMENTS_IN,
};

/* A walk over open connections tells what they carried: not before 5.12, which has atomic operations that fetch. */
const volatile bool open_are_told;

/* What happened to a connection at one of its ends. */
struct connection_end {
	__u64 now; /* 0: when it is recorded */
	__u64 duration_ns;
	__s32 error;
	__u8 outcome;
	__u8 role;
	__u8 active;
	__u8 state; /* before it ended */
};

/* IPv4-mapped IPv6 is IPv4. */
static __always_inline __u8 connection_family(struct sock *sk)
{
	const struct in6_addr *peer = &sk->__sk_common.skc_v6_daddr;

	if (sk->__sk_common.skc_family != AF_INET6)
		return AF_INET;
	if (!peer->in6_u.u6_addr32[0] && !peer->in6_u.u6_addr32[1] && peer->in6_u.u6_addr32[2] == bpf_htonl(0xffff))
		return AF_INET;
	return AF_INET6;
}

static __always_inline __u32 connection_kind(const struct connection_row *row)
{
	__u32 error = row->error >= 0 && row->error < 0x7f ? row->error : 0x7f;

	return (row->outcome & 3) | (row->role & 3) << 2 | (row->family == AF_INET6) << 4 | (row->active & 1) << 5 |
	       error << 6 | (row->protocol == IPPROTO_UDP) << 13;
}

/* Counts an event in its row, which is another one afterwards where there was no room for it. */
static __noinline int connection_tally(struct connection_row *row)
{
	ledger_tally(row, connection_kind(row));
	return 0;
}

static __always_inline __u32 connection_cached(__u8 outcome, __u8 role)
{
	if (outcome == OUTCOME_FAILED)
		return CACHED_FAILED;
	return (outcome == OUTCOME_CLOSED) * 2 + (role == ROLE_SERVER);
}

static __always_inline void amount_add(struct measures *measures, int amount, __u64 more)
{
	if (more)
		__sync_fetch_and_add(&measures->amounts[amount], more);
}

/*
 * Whether it was this CPU that brought a connection on from where it was: the walk over open ones may look at it, too.
 */
static __always_inline bool phase_advance(struct socket_owner *known, __u64 life, enum phase to)
{
	__u64 next = life_of(life_cookie(life), to);

	if (open_are_told)
		return __sync_val_compare_and_swap(&known->life, life, next) == life;
	known->life = next;
	return true;
}

/* Ends what is counted of a connection. Whether it was one of the open ones. */
static __always_inline bool phase_end(struct socket_owner *known)
{
	__u64 life = known->life, ended = life_of(life_cookie(life), PHASE_ENDED);

	if (open_are_told)
		life = __sync_lock_test_and_set(&known->life, ended);
	else
		known->life = ended;
	return life_phase(life) == PHASE_ESTABLISHED;
}

/* Counts a connection that is open and was not among the open ones: what has no record is counted as that. */
static __always_inline void connection_join(const struct owner *owner, struct connection_row *row)
{
	row_owner_set(&row->who, owner);
	row->outcome = OUTCOME_OPENED;
	row->active = true;
	row->protocol = IPPROTO_TCP;
	if (row->role == ROLE_CLIENT)
		ledger_charge(owner, 0, 0);
	connection_tally(row);
	ledger_count(counted);
}

/*
 * What is kept is about a connection that is gone, and neither its last change of state nor the destruction of its socket
 * came by: the kernel skipped them. Then one connection less is open; when and how it ended, and what it carried since it
 * was last told, is not known. Whose it was is read first: that its life was still the same afterwards says that it is true.
 */
static __noinline int connection_lost_sight(struct socket_owner *known, __u64 life)
{
	struct connection_row row = {
		.outcome = OUTCOME_CLOSED,
		.role = known->role,
		.active = true,
		.protocol = IPPROTO_TCP,
	};
	bool left_out = known->verdict == VERDICT_LEFT_OUT;

	row_owner_set(&row.who, &known->owner);
	if (life_phase(life) >= PHASE_ENDED || !phase_advance(known, life, PHASE_ENDED) ||
	    life_phase(life) != PHASE_ESTABLISHED)
		return 0;
	if (left_out) {
		ledger_count(filtered);
		return 0;
	}
	connection_tally(&row);
	ledger_count(counted);
	return 0;
}

#endif /* KERNTAP_CONNECTION_ROW_H */
