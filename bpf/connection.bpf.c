/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection - TCP connections opened, failed and closed
 *
 * The hook fires at every change of a TCP socket's state. CLOSE to SYN_SENT and CLOSE to LISTEN happen in the process
 * that asked for it: its identity is kept for the socket there. All later changes may happen in whatever context the
 * packet arrived in, so pid and command of an event are always those kept for the socket, never the task's.
 *
 * The kernel skips a program that is already running on the CPU, and a change of state may fall into such a moment. What
 * is kept says how far a socket's life has been counted: what was skipped is made up for at its end, or at the latest
 * when the socket is destroyed, which is another hook. Of the changes on the way there only those that a process makes are
 * looked at, for whether it is the owner.
 */
#include "include/kernel.h"
#include <bpf/bpf_tracing.h>
#include "include/connection_event.h"
#include "include/connection_accept.h"
#include "include/connection_begin.h"
#include "include/connection_closer.h"
#include "include/connection_connect.h"
#include "include/connection_last.h"
#include "include/connection_listener.h"
#include "include/connection_older.h"
#include "include/connection_open.h"
#include "include/connection_syscall.h"

/* A process ends a connection, or one direction of it. */
static __always_inline int connection_left(struct sock *sk)
{
	struct socket_owner *known = owner_kept(sk);

	if (known)
		connection_leaves(sk, known);
	return 0;
}

/*
 * A connection is established by a packet, and the kernel has read the clock when it began to look at that
 * (tcp_rcv_state_process). It has not if the process itself says that it is established: TCP_REPAIR.
 */
static __always_inline __u64 connection_established_at(struct sock *sk, const struct socket_owner *known)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	if (known && tcp && bpf_core_field_exists(tcp->tcp_clock_cache) && tcp->tcp_clock_cache > known->since_ns)
		return tcp->tcp_clock_cache;
	return bpf_ktime_get_ns();
}

/* Whether there is something to report: a connection that waits for its acceptor is reported by him. */
static __always_inline bool connection_established(struct sock *sk, int oldstate, struct socket_owner *known,
						   struct connection_end *end)
{
	end->outcome = OUTCOME_OPENED;
	end->role = oldstate == TCP_SYN_RECV ? ROLE_SERVER : ROLE_CLIENT;
	if (!known)
		return true;
	end->active = true;
	if (known->role)
		end->role = known->role; /* both ends may connect at once: SYN_SENT, SYN_RECV, ESTABLISHED */
	if (known->since_ns && end->role == ROLE_CLIENT)
		end->duration_ns = end->now - known->since_ns;
	known->role = end->role;
	known->since_ns = end->now;
	known->error = 0;
	if (end->role == ROLE_SERVER && known->attribution != ATTRIBUTION_ACCEPTOR && connection_waits(sk)) {
		known->life = life_of(life_cookie(known->life), PHASE_WAITING);
		return false;
	}
	known->life = life_of(life_cookie(known->life), PHASE_ESTABLISHED);
	return true;
}

/* A socket that has listened was no connection, even if it was one before that. */
static __always_inline void connection_unlisten(struct sock *sk)
{
	struct socket_owner *known = owner_kept(sk);

	if (known) {
		connection_refused_last(sk, known);
		known->life = life_of(life_cookie(known->life), PHASE_ENDED);
	}
	listener_ends(sk);
}

static __always_inline void connection_ended(struct sock *sk, int oldstate, struct socket_owner *known,
					     struct connection_end *end)
{
	bool failed = oldstate == TCP_SYN_SENT || oldstate == TCP_SYN_RECV;

	end->error = sk->sk_err;
	end->outcome = failed ? OUTCOME_FAILED : OUTCOME_CLOSED;
	end->state = oldstate;
	if (known) {
		if (!failed && life_phase(known->life) < PHASE_FOUND)
			connection_make_up(sk, known);
		end->role = known->role;
		if (!end->error && failed)
			end->error = known->error;
		if (known->since_ns)
			end->duration_ns = end->now - known->since_ns;
		closer_of_end(sk, oldstate, known);
		end->active = phase_end(known);
	}
	if (!end->role && failed)
		end->role = oldstate == TCP_SYN_SENT ? ROLE_CLIENT : ROLE_SERVER;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(connection_state, struct sock *sk, int oldstate, int newstate)
{
	struct connection_end end = {};
	struct socket_owner *known;

	/* MPTCP sockets pass here too; their subflows, which are TCP, are the connections */
	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (newstate == TCP_SYN_SENT)
		connection_connects(sk);
	else if (newstate == TCP_LISTEN)
		connection_begin(sk, ROLE_SERVER);
	else if (newstate == TCP_SYN_RECV && oldstate == TCP_LISTEN)
		connection_copied(sk);
	else if (newstate == TCP_CLOSE && oldstate == TCP_LISTEN)
		connection_unlisten(sk);
	else if (newstate == TCP_FIN_WAIT1 || newstate == TCP_LAST_ACK)
		connection_left(sk);
	if (newstate != TCP_ESTABLISHED && (newstate != TCP_CLOSE || oldstate == TCP_CLOSE || oldstate == TCP_LISTEN))
		return 0;
	if (newstate == TCP_ESTABLISHED) {
		known = connection_kept(sk);
		end.now = connection_established_at(sk, known);
		if (!connection_established(sk, oldstate, known, &end))
			return 0;
	} else {
		end.now = bpf_ktime_get_ns();
		known = owner_kept(sk);
		if (!known && oldstate != TCP_SYN_SENT)
			known = connection_found(sk);
		connection_ended(sk, oldstate, known, &end);
	}
	connection_report(sk, known, &end);
	if (known && newstate == TCP_CLOSE)
		owner_ended(sk, known);
	return 0;
}

/*
 * An ICMP error that arrives while the process is inside connect only goes into the socket's error queue. The process
 * is woken, asks for the error, which takes it from the socket, and closes: without this it would look as if it had
 * given up.
 */
static __always_inline int connection_told(struct sock *sk)
{
	struct socket_owner *known;
	__s32 error;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	known = owner_kept(sk);
	if (!known || life_phase(known->life) != PHASE_CONNECTING)
		return 0;
	error = sk->sk_err;
	if (!error)
		error = sk->sk_err_soft;
	if (!error)
		error = connection_queued_error(sk);
	known->error = error;
	return 0;
}

SEC("tp_btf/inet_sk_error_report")
int BPF_PROG(connection_error, struct sock *sk)
{
	return connection_told(sk);
}

/* for kernels before e6a3e4434000 ("net: Introduce net.sk tracepoint for error reporting"), 5.14 */
SEC("fentry/sock_def_error_report")
int BPF_PROG(connection_error_report, struct sock *sk)
{
	return connection_told(sk);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
