/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_begin.h - what is kept of a socket from its beginning on
 *
 * Functions that are not inlined keep a call within the 512 bytes of stack that it and all it calls may take together.
 */
#ifndef KERNTAP_CONNECTION_BEGIN_H
#define KERNTAP_CONNECTION_BEGIN_H

#include "connection_older.h"
#include "connection_row.h"
#include "process.h"

/* A socket begins at this address: what was kept of one before it is not about it. */
static __always_inline void owner_give_way(struct sock *sk)
{
	__u64 address = (__u64)sk;
	struct socket_owner *known = bpf_map_lookup_elem(&owners, &address);

	if (known)
		connection_lost_sight(known, known->life);
}

static __always_inline void owner_keep_first(struct sock *sk, const struct socket_owner *new)
{
	__u64 address = (__u64)sk;

	if (!bpf_map_update_elem(&owners, &address, new, BPF_NOEXIST))
		return;
	owner_give_way(sk);
	owner_keep(sk, new);
}

/* connect or listen was called, by the process that runs. */
static __noinline int connection_begin(struct sock *sk, __u8 role)
{
	struct socket_owner new = { .role = role };

	owner_set_current(&new.owner);
	new.own = self_tgid && new.owner.pid == self_tgid;
	if (role == ROLE_SERVER) {
		owner_give_way(sk);
		owner_keep_listener(sk, &new);
		return 0;
	}
	new.life = life_of(owner_cookie(sk), PHASE_CONNECTING);
	new.since_ns = new.attempt_ns = bpf_ktime_get_ns();
	owner_keep_first(sk, &new);
	return 0;
}

/* There may be listeners whose owner is not in their storage. */
static __always_inline bool connections_are_copies(void)
{
	return !sockets_have_storage || listeners_without_storage;
}

/*
 * Where a listener has no storage: a new connection is still a copy of its listener, in which an empty list points to
 * itself. That says which listener it is, among several of one port too. What is no listener's address is not believed.
 */
static __noinline int connection_copied(struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct socket_owner *listener, new;
	__u64 address;

	if (!tcp)
		return 0;
	address = (__u64)tcp->tsorted_sent_queue.next - bpf_core_field_offset(tcp->tsorted_sent_queue);
	listener = bpf_map_lookup_elem(&owners, &address);
	if (address == (__u64)sk || !listener || listener->role != ROLE_SERVER)
		return 0;
	new = *listener;
	owner_leave(&new);
	owner_keep_first(sk, &new);
	return 0;
}

/* Keeps what is known of what was accepted, or that nothing is. */
static __always_inline struct socket_owner *connection_keep(struct sock *sk)
{
	struct socket_owner *known = 0;

	if (sockets_have_storage)
		known = bpf_sk_storage_get(&listeners, sk, 0, 0);
	if (known) {
		owner_keep(sk, known);
	} else {
		struct socket_owner none = {};

		owner_keep(sk, &none);
	}
	return owner_kept(sk);
}

/* Brings what was accepted, or was not known so far, to the others. */
static __noinline struct socket_owner *connection_kept(struct sock *sk)
{
	struct socket_owner *known;
	__u64 address = (__u64)sk;

	known = bpf_map_lookup_elem(&owners, &address);
	if (unlikely(known && (owner_is_of_another(known, sk) || life_phase(known->life) >= PHASE_FOUND))) {
		connection_lost_sight(known, known->life);
		known = 0;
	}
	if (!known)
		known = connection_keep(sk);
	if (known && !life_cookie(known->life))
		known->life = life_of(owner_cookie(sk), life_phase(known->life));
	return known;
}

#endif /* KERNTAP_CONNECTION_BEGIN_H */
