/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_verdict.h - whether a connection is watched
 *
 * That is decided once, when it opens or fails, and kept: its end is then told if its beginning was, whatever filters and
 * scope have become meanwhile, and the number of open connections stays right.
 */
#ifndef KERNTAP_CONNECTION_VERDICT_H
#define KERNTAP_CONNECTION_VERDICT_H

#include "filter.h"
#include "owner.h"
#include "scope.h"

static __noinline int connection_filtered(struct sock *sk, struct socket_owner *known, __u8 role)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct endpoint local, peer;

	endpoints_of(sk, tcp ? bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport) : 0, &local, &peer);
	return filter_leaves_out(known ? &known->owner : 0, &local, &peer, filter_about(role));
}

/* Whether nobody wants to hear of a connection. */
static __always_inline bool connection_left_out(struct sock *sk, struct socket_owner *known, __u8 role)
{
	bool left_out;

	if (known && known->verdict)
		return known->verdict == VERDICT_LEFT_OUT;
	left_out = (known && known->own) || !socket_in_scope(sk) || talks_to_self(sk) ||
		   (filters && connection_filtered(sk, known, role));
	if (known)
		known->verdict = left_out ? VERDICT_LEFT_OUT : VERDICT_WATCHED;
	return left_out;
}

#endif /* KERNTAP_CONNECTION_VERDICT_H */
