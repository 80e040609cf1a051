/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_open.h - what connections carry while they are open
 *
 * User space walks the owners, of every network namespace, before it turns the ledger. What a connection has carried
 * since it was last told is counted, and so is an opening that was skipped. Nothing is done on the way of the data.
 */
#ifndef KERNTAP_CONNECTION_OPEN_H
#define KERNTAP_CONNECTION_OPEN_H

#include "connection_event.h"
#include "connection_owner.h"
#include "connection_refused.h"
#include "open_socket.h"

static __always_inline bool phase_is_before_open(enum phase phase)
{
	return phase == PHASE_CONNECTING || phase == PHASE_FOUND;
}

/* Whether nobody wants to hear of an open connection, or of a listener, which has no other end. */
static __noinline int connection_open_left_out(__u64 address, struct socket_owner *known, __u32 netns, __u8 state)
{
	__u32 about = state == TCP_LISTEN ? FILTER_LOCAL_PORT : filter_about(known->role);
	struct endpoint local, peer;

	if (known->verdict)
		return known->verdict == VERDICT_LEFT_OUT;
	open_ends_read(&local, &peer, address);
	return !in_scope(netns) || (filters && filter_leaves_out(&known->owner, &local, &peer, about)) ||
	       (state != TCP_LISTEN && netns == self_netns && is_port_of_self(peer.port) && endpoints_share_address(&local, &peer));
}

/*
 * Counts one that is not among the open connections yet: it is older than kerntap, or its opening was skipped. The hook runs
 * before the kernel writes the new state down, so what is established here was counted there.
 */
static __always_inline void connection_open_join(struct socket_owner *known, struct connection_row *row, __u64 life,
						 bool left_out)
{
	struct owner owner = known->owner;

	if (!phase_is_before_open(life_phase(life)) || !phase_advance(known, life, PHASE_ESTABLISHED))
		return;
	if (life_phase(life) == PHASE_CONNECTING)
		known->since_ns = 0;
	known->verdict = left_out ? VERDICT_LEFT_OUT : VERDICT_WATCHED;
	if (left_out)
		ledger_count(filtered);
	else
		connection_join(&owner, row);
}

/*
 * Whether what is kept is still about this address, and its life then: what is forgotten is used again at once. Whoever
 * changes the life from this one on changes the right one. The atomic operation keeps what is read of the socket behind it.
 */
static __always_inline bool open_life_read(__u64 *life, struct socket_owner *known, __u64 address)
{
	*life = __sync_fetch_and_add(&known->life, 0);
	return bpf_map_lookup_elem(&owners, &address) == known;
}

/* Moves one number forward from what it was. */
static __always_inline void open_tell(struct measures *measures, int amount, __u64 *told, __u64 before, __u64 now)
{
	if (now > before && __sync_val_compare_and_swap(told, before, now) == before)
		amount_add(measures, amount, now - before);
}

/*
 * told was read before it was asked again whether this is the connection. A number that its end, or a next connection, has
 * changed since is not touched; a next one in that moment could be mistaken only if nothing had been told of this one.
 */
static __always_inline void connection_open_tell(struct socket_owner *known, const struct connection_row *row,
						 const struct traffic *traffic, const struct traffic_told *told)
{
	struct measures *measures;

	if (traffic->segments_in == told->segments_in && traffic->segments_out == told->segments_out)
		return;
	measures = ledger_measures(row, 0);
	if (!measures)
		return;
	if (traffic->rtt_us)
		distribution_add(&measures->second, traffic->rtt_us * 1000ULL);
	open_tell(measures, AMOUNT_SENT, &known->told.sent, told->sent, traffic->sent);
	open_tell(measures, AMOUNT_RECEIVED, &known->told.received, told->received, traffic->received);
	open_tell(measures, AMOUNT_SEGMENTS_OUT, &known->told.segments_out, told->segments_out, traffic->segments_out);
	open_tell(measures, AMOUNT_SEGMENTS_IN, &known->told.segments_in, told->segments_in, traffic->segments_in);
}

SEC("iter/bpf_map_elem")
int connection_open(struct bpf_iter__bpf_map_elem *ctx)
{
	struct connection_row opened = {}, row = {};
	struct open_socket open = {};
	struct traffic traffic = {};
	struct socket_owner *known;
	__u64 *key = ctx->key, address, life, again;
	struct traffic_told told;
	bool left_out;

	if (!key)
		return 0;
	address = *key;
	known = bpf_map_lookup_elem(&owners, &address);
	if (!known || !open_life_read(&life, known, address))
		return 0;
	if (life_phase(life) >= PHASE_FREE)
		return owner_collect(known, life, address);
	open_socket_read(&open, address);
	if (life_cookie(life) && (open.cookie != life_cookie(life) || !open.references)) {
		if (life_phase(life) == PHASE_ENDED)
			phase_advance(known, life, PHASE_FREE);
		return connection_lost_sight(known, life);
	}
	if (known->own || life_phase(life) == PHASE_ENDED || open.cookie != life_cookie(life) ||
	    (open.state != TCP_ESTABLISHED && open.state != TCP_CLOSE_WAIT && open.state != TCP_LISTEN))
		return 0;
	left_out = connection_open_left_out(address, known, open.netns, open.state);
	row_owner_set(&row.who, &known->owner);
	row.role = known->role;
	row.protocol = IPPROTO_TCP;
	if (open.state == TCP_LISTEN) {
		connection_refused(address, known, life, &row, open_drops(address), left_out);
		return 0;
	}
	opened = row;
	opened.family = open.family;
	connection_open_join(known, &opened, life, left_out);
	if (left_out)
		return 0;
	traffic_read_at(&traffic, address, row.role == ROLE_CLIENT, open.state);
	told = known->told;
	if (open_life_read(&again, known, address) && life_cookie(again) == life_cookie(life) && life_phase(again) < PHASE_ENDED)
		connection_open_tell(known, &row, &traffic, &told);
	return 0;
}

#endif /* KERNTAP_CONNECTION_OPEN_H */
