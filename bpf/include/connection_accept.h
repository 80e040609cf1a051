/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_accept.h - who accepted a connection
 *
 * The hook fires in the process that accepts, when the new connection gets its socket. A connection is opened then, and
 * owned by that process. One that nobody accepts is opened when it ends, and its listener's. One that is accepted before it
 * is established (TCP Fast Open) is opened then.
 */
#ifndef KERNTAP_CONNECTION_ACCEPT_H
#define KERNTAP_CONNECTION_ACCEPT_H

#include "connection_begin.h"
#include "connection_event.h"
#include "process.h"

/* The hook is attached. */
const volatile bool acceptors_are_seen;

/* Whether a connection will pass here. A subflow of MPTCP does not: its socket is another one. */
static __always_inline bool connection_waits(struct sock *sk)
{
	struct tcp_sock *tcp;

	if (!acceptors_are_seen)
		return false;
	tcp = bpf_skc_to_tcp_sock(sk);
	return tcp && !(bpf_core_field_exists(tcp->is_mptcp) && tcp->is_mptcp);
}

/* What is known of a connection that is accepted. Nothing is kept of one whose changes of state were skipped so far. */
static __always_inline struct socket_owner *connection_to_accept(struct sock *sk, __u8 state)
{
	struct socket_owner *known = owner_kept(sk);

	if (known || owners_overflowed || state == TCP_CLOSE)
		return known;
	known = connection_kept(sk);
	if (known)
		known->role = ROLE_SERVER;
	return known;
}

SEC("fentry/security_sock_graft")
int BPF_PROG(connection_accepted, struct sock *sk)
{
	struct connection_end end = { .outcome = OUTCOME_OPENED, .role = ROLE_SERVER, .active = true };
	__u8 state = sk->__sk_common.skc_state;
	struct socket_owner *known;
	enum phase phase;
	__u64 life;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	known = connection_to_accept(sk, state);
	if (!known)
		return 0;
	life = known->life;
	phase = life_phase(life);
	if (phase != PHASE_WAITING && phase != PHASE_NONE)
		return 0;
	owner_describe(known);
	known->own = self_tgid && known->owner.pid == self_tgid;
	known->attribution = ATTRIBUTION_ACCEPTOR;
	if (state == TCP_SYN_RECV || !phase_advance(known, life, PHASE_ESTABLISHED))
		return 0;
	connection_report(sk, known, &end);
	return 0;
}

#endif /* KERNTAP_CONNECTION_ACCEPT_H */
