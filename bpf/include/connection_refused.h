/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_refused.h - what listeners dropped
 *
 * No hook tells it. The kernel counts it for each listener, the walk over open sockets looks at that count, and so does the end
 * of the listener.
 */
#ifndef KERNTAP_CONNECTION_REFUSED_H
#define KERNTAP_CONNECTION_REFUSED_H

#include "connection_event.h"
#include "connection_owner.h"
#include "open_socket.h"

/* How many packets the kernel has dropped that were for a socket; 32 bits. */
static __always_inline __u32 open_drops(__u64 address)
{
	return bpf_core_field_exists(((struct sock *)0)->sk_drops) ? OPEN_READ(address, sk_drops.counter) : 0;
}

/* What is read of the socket is the listener's if its life is still the one that it was: then it is recorded. */
static __noinline int connection_refused_record(__u64 address, struct socket_owner *known, __u64 life, __u32 refused)
{
	__u32 waiting = OPEN_READ(address, sk_ack_backlog), limit = OPEN_READ(address, sk_max_ack_backlog);
	struct endpoint local = {}, peer = {};
	struct owner owner = known->owner;
	struct connection_event *event;
	struct open_socket open = {};

	open_socket_read(&open, address);
	open_ends_read(&local, &peer, address);
	if (__sync_fetch_and_add(&known->life, 0) != life) {
		ledger_count(counted);
		return 0;
	}
	event = ring_reserve(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.timestamp_ns = bpf_ktime_get_ns();
	event->header.netns = open.netns;
	event->header.owner = owner;
	event->local = local;
	event->dropped = refused;
	event->waiting = waiting;
	event->limit = limit;
	event->outcome = OUTCOME_LISTEN_DROPPED;
	event->role = ROLE_SERVER;
	event->protocol = IPPROTO_TCP;
	ring_submit(event);
	return 0;
}

/*
 * Counts what a listener has refused since it was last told: the kernel does not say so at the time, it drops a SYN that
 * finds a queue full as if it had used it. What nobody wants is behind it all the same, for when somebody does.
 */
static __always_inline void connection_refused(__u64 address, struct socket_owner *known, __u64 life,
					       struct connection_row *row, __u32 now, bool left_out)
{
	__u32 before = *(volatile __u32 *)&known->refused, refused = now - before;

	/* the listener's end may be told beside this */
	if (!refused || __sync_val_compare_and_swap(&known->refused, before, now) != before)
		return;
	if (left_out) {
		ledger_count_more(filtered, refused);
		return;
	}
	ledger_add(row, ((struct tally){ .count = refused }), connection_kind(row));
	ledger_count_more(counted, refused - 1); /* one record tells all of them */
	if (ledger_admits(row))
		connection_refused_record(address, known, life, refused);
}

/* Counts what a listener has refused since the walk met it: it ends. */
static __noinline int connection_refused_last(struct sock *sk, struct socket_owner *known)
{
	struct connection_row row = { .role = ROLE_SERVER, .protocol = IPPROTO_TCP };
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct endpoint local, peer;

	if (!open_are_told || !bpf_core_field_exists(sk->sk_drops) || !tcp || known->own)
		return 0;
	endpoints_of(sk, bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport), &local, &peer);
	row_owner_set(&row.who, &known->owner);
	connection_refused((__u64)sk, known, known->life, &row, sk->sk_drops.counter,
			   !socket_in_scope(sk) ||
				   (filters && filter_leaves_out(&known->owner, &local, &peer, FILTER_LOCAL_PORT)));
	return 0;
}

#endif /* KERNTAP_CONNECTION_REFUSED_H */
