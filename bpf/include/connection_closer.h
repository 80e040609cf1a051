/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_closer.h - which process ended a connection at this end, if it was not the owner
 *
 * A server may fork for each connection, or pass it on. What a process ends itself, by close or shutdown, passes in that
 * process: it holds the socket's lock then, which packets that arrive do not.
 */
#ifndef KERNTAP_CONNECTION_CLOSER_H
#define KERNTAP_CONNECTION_CLOSER_H

#include "owner.h"
#include "process.h"

static __noinline int closer_note(struct socket_owner *known)
{
	struct owner closer;

	owner_set_current(&closer);
	known->closer_pid = closer.pid;
	if (closer.pid)
		__builtin_memcpy(known->closer, closer.command, sizeof(known->closer));
	return 0;
}

/*
 * A connection leaves, or one direction of it: whoever holds the lock has asked for that, unless it is a packet that has brought
 * a FIN about that was asked for earlier (TCP Fast Open). Whether it is another than an owner who is not known, is not known.
 */
static __always_inline void connection_leaves(struct sock *sk, struct socket_owner *known)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (sk->sk_lock.owned && known->owner.pid && known->owner.pid != pid && !known->closer_pid)
		closer_note(known);
}

/* A connection that was open, or connecting, is gone: without an error of its own it is its process that left. */
static __always_inline void closer_of_end(struct sock *sk, int oldstate, struct socket_owner *known)
{
	bool at_once = oldstate == TCP_ESTABLISHED || oldstate == TCP_CLOSE_WAIT || oldstate == TCP_SYN_SENT;

	if (at_once && !sk->sk_err)
		connection_leaves(sk, known);
}

#endif /* KERNTAP_CONNECTION_CLOSER_H */
