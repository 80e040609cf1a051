/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_listener.h - which listener a connection came to
 *
 * A new connection is a copy of its listener, which is seen at its first change of state: its owner is the listener's, under
 * SO_REUSEPORT too. Where the kernel skipped that change, the port still tells the listener if no other socket can have
 * had connections there; else it is nobody's.
 */
#ifndef KERNTAP_CONNECTION_LISTENER_H
#define KERNTAP_CONNECTION_LISTENER_H

#include <bpf/bpf_endian.h>
#include "connection_owner.h"
#include "scope.h"

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpadded"
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* What is bound to an address and a port; include/net/inet_hashtables.h. */
struct inet_bind2_bucket {
	struct hlist_node bhash_node;
	struct hlist_head owners;
};

/* What is bound to a port: since 770041d337a8 ("tcp: Unlink sk from bhash."), 6.8, in the lists of its addresses. */
struct inet_bind_bucket {
	struct hlist_head owners;
	struct hlist_head bhash2;
};

#pragma clang attribute pop
#pragma clang diagnostic pop

struct port {
	__u32 netns;
	__u16 number;
	__u16 _pad;
};

/* The socket that listens at a port. */
struct listener {
	__u64 address; /* 0: there were several */
	__u64 cookie;
	__u64 count; /* of sockets that listen there */
};

/*
 * Of ports where nothing was bound yet when something began to listen. One that finds no room, or has no port before the kernel
 * gives it one, is not told by its port.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct port);
	__type(value, struct listener);
} listeners SEC(".maps");

/* What a connection has of its listener, before it has anything of its own. Its life is not written. */
static __always_inline void owner_inherit(struct socket_owner *new, const struct socket_owner *listener)
{
	owner_copy(new, listener);
	new->since_ns = 0;
	new->refused = 0;
	new->attribution = ATTRIBUTION_LISTENER;
}

/* Whether nothing else is bound to a socket's port, nothing that was accepted there either. */
static __always_inline bool listener_is_alone(struct sock *sk, struct tcp_sock *tcp)
{
	__u64 node = (__u64)sk + bpf_core_field_offset(sk->__sk_common.skc_bind_node);
	struct inet_bind_bucket *bucket = tcp->inet_conn.icsk_bind_hash;
	struct inet_bind2_bucket *here;

	if (!bucket || sk->__sk_common.skc_bind_node.next)
		return false;
	if (bpf_core_field_exists(bucket->owners))
		return (__u64)bucket->owners.first == node;
	if (!bpf_core_field_exists(bucket->bhash2))
		return false;
	here = tcp->inet_conn.icsk_bind2_hash;
	return here && !here->bhash_node.next && (__u64)here->owners.first == node &&
	       (__u64)bucket->bhash2.first == (__u64)here + bpf_core_field_offset(here->bhash_node);
}

static __always_inline void port_of(struct port *port, struct sock *sk, __u16 number)
{
	port->netns = netns_of_socket(sk);
	port->number = number;
	port->_pad = 0;
}

/* A socket begins to listen. */
static __noinline int listener_begins(struct sock *sk)
{
	struct listener listener = { .address = (__u64)sk, .cookie = owner_cookie(sk), .count = 1 }, *before;
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct port port;

	if (!tcp)
		return 0;
	port_of(&port, sk, sk->__sk_common.skc_num);
	before = bpf_map_lookup_elem(&listeners, &port);
	if (before) {
		before->address = 0;
		__sync_fetch_and_add(&before->count, 1);
	} else if (listener_is_alone(sk, tcp))
		bpf_map_update_elem(&listeners, &port, &listener, BPF_NOEXIST);
	return 0;
}

static __noinline int listener_ends(struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct listener *known;
	struct port port;

	if (!tcp)
		return 0;
	port_of(&port, sk, bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport));
	known = bpf_map_lookup_elem(&listeners, &port);
	if (!known)
		return 0;
	__sync_fetch_and_add(&known->count, -1);
	if (!*(volatile __u64 *)&known->count)
		bpf_map_delete_elem(&listeners, &port);
	return 0;
}

/*
 * A connection begins: an empty list in it still points to itself as if it were in the listener. What is no listener's address
 * is not believed.
 */
static __noinline int connection_copied(struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct socket_owner *listener, *known, new;
	__u64 address;

	if (!tcp)
		return 0;
	address = (__u64)tcp->tsorted_sent_queue.next - bpf_core_field_offset(tcp->tsorted_sent_queue);
	listener = bpf_map_lookup_elem(&owners, &address);
	if (address == (__u64)sk || !listener || listener->role != ROLE_SERVER || life_phase(listener->life) != PHASE_NONE)
		return 0;
	known = owner_take_at((__u64)sk);
	if (likely(known)) {
		owner_inherit(known, listener);
		owner_publish(known, life_of(0, PHASE_NONE));
		return 0;
	}
	new.life = life_of(0, PHASE_NONE);
	owner_inherit(&new, listener);
	owner_keep(sk, &new);
	return 0;
}

/*
 * Keeps of a connection, whose beginning was skipped, what its port tells. NULL if that is nothing. Who chose its port itself
 * was not accepted; a port that the kernel chooses for connect is nobody else's.
 */
static __noinline struct socket_owner *connection_found(struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct socket_owner *owner, new;
	struct listener *listener;
	struct port port;
	__u64 address;

	if (!tcp || owners_overflowed || BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & SOCK_BINDPORT_LOCK)
		return 0;
	port_of(&port, sk, bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport));
	listener = bpf_map_lookup_elem(&listeners, &port);
	if (!listener || listener->address == (__u64)sk)
		return 0;
	address = listener->address;
	owner = bpf_map_lookup_elem(&owners, &address);
	if (!owner || owner->role != ROLE_SERVER)
		return 0;
	owner_inherit(&new, owner);
	if (*(volatile __u64 *)&owner->life != life_of(listener->cookie, PHASE_NONE)) /* it has ended meanwhile */
		return 0;
	new.life = life_of(owner_cookie(sk), PHASE_NONE);
	owner_keep(sk, &new);
	return owner_kept(sk);
}

#endif /* KERNTAP_CONNECTION_LISTENER_H */
