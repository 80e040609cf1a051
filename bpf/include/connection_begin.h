/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_begin.h - what is kept of a socket from its beginning on
 *
 * Functions that are not inlined keep a call within the 512 bytes of stack that it and all it calls may take together.
 */
#ifndef KERNTAP_CONNECTION_BEGIN_H
#define KERNTAP_CONNECTION_BEGIN_H

#include "connection_listener.h"
#include "process.h"

/* A function of its own: the stack of who calls it is little. */
static __noinline int owner_describe(struct socket_owner *known)
{
	owner_set_current(&known->owner);
	return 0;
}

/* connect or listen was called, by the process that runs. */
static __noinline int connection_begin(struct sock *sk, __u8 role)
{
	struct socket_owner new = { .role = role };

	owner_set_current(&new.owner);
	new.own = self_tgid && new.owner.pid == self_tgid;
	if (role == ROLE_SERVER) {
		new.life = life_of(owner_cookie(sk), PHASE_NONE);
		if (bpf_core_field_exists(sk->sk_drops))
			new.refused = sk->sk_drops.counter;
		owner_keep(sk, &new);
		return listener_begins(sk);
	}
	new.life = life_of(owner_cookie(sk), PHASE_CONNECTING);
	new.sent = true;
	new.since_ns = new.attempt_ns = bpf_ktime_get_ns();
	owner_keep(sk, &new);
	return 0;
}

/*
 * connect was called, by the process that runs. The socket at this address before was most often its own: who that is need
 * not be written down again, if it is that process as it was. False: the socket begins in the other way.
 */
static __noinline int connection_begin_again(struct sock *sk)
{
	struct socket_owner *known = tasks_are_typed ? owner_take_at((__u64)sk) : 0;

	if (unlikely(!known))
		return false;
	if (!owner_is(&known->owner, bpf_get_current_task_btf()))
		owner_describe(known);
	owner_clear(known);
	known->own = self_tgid && known->owner.pid == self_tgid;
	known->role = ROLE_CLIENT;
	known->sent = true;
	known->since_ns = known->attempt_ns = bpf_ktime_get_ns();
	owner_publish(known, life_of(owner_cookie(sk), PHASE_CONNECTING));
	return true;
}

static __always_inline void connection_connects(struct sock *sk)
{
	if (unlikely(!connection_begin_again(sk)))
		connection_begin(sk, ROLE_CLIENT);
}

/* What is known of a connection that is established, or that nothing is. NULL if there is no room to keep it. */
static __noinline struct socket_owner *connection_kept(struct sock *sk)
{
	struct socket_owner *known;
	__u64 address = (__u64)sk;

	known = bpf_map_lookup_elem(&owners, &address);
	if (unlikely(!known || owner_is_of_another(known, sk) || life_phase(known->life) >= PHASE_FOUND)) {
		struct socket_owner none = {};

		owner_keep(sk, &none);
		known = owner_kept(sk);
	}
	if (known && !life_cookie(known->life))
		known->life = life_of(owner_cookie(sk), life_phase(known->life));
	return known;
}

#endif /* KERNTAP_CONNECTION_BEGIN_H */
