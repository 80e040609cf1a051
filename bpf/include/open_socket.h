/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * open_socket.h - what is read of a socket that is known by its address alone
 *
 * It may be gone meanwhile, and another one in its place: who reads asks before and afterwards whether it is still the one.
 */
#ifndef KERNTAP_OPEN_SOCKET_H
#define KERNTAP_OPEN_SOCKET_H

#include "connection_row.h"
#include "endpoint.h"

/* What tells whether a socket is still the one that an owner was kept for. */
struct open_socket {
	__u64 cookie;
	__u32 netns;
	__u32 references;
	__u16 family;
	__u8 state;
	__u8 _pad[5];
};

static __always_inline void open_socket_read(struct open_socket *open, __u64 address)
{
	struct sock *sk = (void *)address;

	if (bpf_rdonly_cast) {
		sk = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct sock));
		open->cookie = sk->__sk_common.skc_cookie.counter;
		open->netns = sk->__sk_common.skc_net.net->ns.inum;
		open->family = connection_family(sk);
		open->state = sk->__sk_common.skc_state;
		open->references = sk->__sk_common.skc_refcnt.refs.counter;
		return;
	}
	open->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	open->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	open->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	open->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	open->references = BPF_CORE_READ(sk, __sk_common.skc_refcnt.refs.counter);
}

static __always_inline void open_ends_read(struct endpoint *local, struct endpoint *peer, __u64 address)
{
	struct sock *sk = (void *)address;

	if (bpf_rdonly_cast) {
		sk = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct sock));
		endpoints_of(sk, sk->__sk_common.skc_num, local, peer);
		return;
	}
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6) {
		BPF_CORE_READ_INTO(&local->address, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&peer->address, sk, __sk_common.skc_v6_daddr);
	} else {
		endpoint_set4(local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr), 0);
		endpoint_set4(peer, BPF_CORE_READ(sk, __sk_common.skc_daddr), 0);
	}
	local->port = BPF_CORE_READ(sk, __sk_common.skc_num);
	peer->port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
}

/* A field of a socket that is known by its address alone. */
#define OPEN_READ(address, field)                                                                                      \
	({                                                                                                             \
		struct sock *_sk = (void *)(address);                                                                  \
		bpf_rdonly_cast ? ((struct sock *)bpf_rdonly_cast(_sk, bpf_core_type_id_kernel(struct sock)))->field   \
				: BPF_CORE_READ(_sk, field);                                                           \
	})

#endif /* KERNTAP_OPEN_SOCKET_H */
