/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_last.h - what is made up for of a connection whose changes of state were skipped, at its end at the latest
 */
#ifndef KERNTAP_CONNECTION_LAST_H
#define KERNTAP_CONNECTION_LAST_H

#include "connection_begin.h"
#include "connection_event.h"
#include "connection_older.h"

/*
 * The establishment was skipped, or nobody accepted the connection: it is counted, and not recorded. When it was is not
 * known, and so neither is how long it took.
 */
static __noinline int connection_make_up(struct sock *sk, struct socket_owner *known)
{
	__u64 life = known->life;
	struct connection_row row = {};

	if (life_phase(life) >= PHASE_FOUND || !phase_advance(known, life, PHASE_ESTABLISHED))
		return 0;
	if (life_phase(life) != PHASE_WAITING)
		known->since_ns = 0;
	known->error = 0;
	if (connection_left_out(sk, known, known->role)) {
		ledger_count(filtered);
		return 0;
	}
	row.family = connection_family(sk);
	row.role = known->role;
	connection_join(&known->owner, &row);
	return 0;
}

/* Every change of state has passed by now, or was skipped. Sockets that listen end here too, and have received nothing. */
static __always_inline void connection_last(struct sock *sk, struct socket_owner *known)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	enum phase phase = life_phase(known->life);
	struct connection_end end = {
		.now = bpf_ktime_get_ns(),
		.outcome = OUTCOME_CLOSED,
		.role = known->role,
		.error = sk->sk_err,
	};

	if (!tcp)
		return;
	end.state = traffic_last_state(tcp, known->role == ROLE_CLIENT);
	if (phase == PHASE_CONNECTING && !tcp->rcv_nxt) { /* the other end never answered */
		end.outcome = OUTCOME_FAILED;
		if (!end.error)
			end.error = known->error;
		if (!end.error && tcp->write_seq)
			end.error = ERROR_UNSEEN;
	} else if (phase < PHASE_FOUND) {
		if (!tcp->rcv_nxt)
			return;
		connection_make_up(sk, known);
	}
	end.active = phase_end(known);
	connection_report(sk, known, &end);
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(connection_destroyed, struct sock *sk)
{
	__u64 address = (__u64)sk;
	struct socket_owner *kept, *known;
	enum phase phase;

	if (owner_is_forgotten(sk))
		return 0;
	kept = known = bpf_map_lookup_elem(&owners, &address);
	if (kept && owner_is_of_another(kept, sk)) {
		connection_lost_sight(kept, kept->life);
		known = 0;
	}
	if (!known) {
		known = connection_found(sk);
		kept = known ? known : kept; /* which has replaced it */
	}
	phase = known ? life_phase(known->life) : PHASE_ENDED;
	if (phase < PHASE_ENDED && (known->role || phase == PHASE_FOUND || phase == PHASE_ESTABLISHED))
		connection_last(sk, known);
	if (kept)
		owner_forget(kept, address);
	return 0;
}

#endif /* KERNTAP_CONNECTION_LAST_H */
