/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * scope.h - whose events are wanted
 *
 * A sidecar watches its own network namespace alone. What lies outside is left out before anything is reserved.
 */
#ifndef KERNTAP_SCOPE_H
#define KERNTAP_SCOPE_H

#include "endpoint.h"
#include "kernel.h"

/* inode number of the one network namespace to watch; 0: all of them. Not const: it may change while the program runs */
volatile __u32 scope_netns;

/* A namespace that is not known (0) is in no scope but that of the whole host. */
static __always_inline bool in_scope(__u32 netns)
{
	return !scope_netns || netns == scope_netns;
}

/*
 * Its number lies beside the count of what refers to it, which every new socket changes on its CPU: to read it costs a
 * connection more than anything else here. Where it need not be known it is not read.
 */
static __always_inline __u32 netns_of_socket(struct sock *sk)
{
	return sk->__sk_common.skc_net.net->ns.inum;
}

static __always_inline bool socket_in_scope(struct sock *sk)
{
	return !scope_netns || netns_of_socket(sk) == scope_netns;
}

/* Where kerntap itself listens in its own namespace: what its clients on this machine do is its own traffic. 0: unused */
const volatile __u32 self_netns;
const volatile __u16 self_ports[2];

/* The port of kerntap, in its own namespace. */
static __always_inline bool is_port_of_self(__u16 port)
{
	return port && (port == self_ports[0] || port == self_ports[1]);
}

/* Whether a client talks to kerntap on this machine: from an address to the same address, at kerntap's port. */
static __always_inline bool talks_to_self(struct sock *sk)
{
	struct endpoint local, peer;

	if (!is_port_of_self(bpf_ntohs(sk->__sk_common.skc_dport)) || netns_of_socket(sk) != self_netns)
		return false;
	endpoints_of(sk, 0, &local, &peer);
	return endpoints_share_address(&local, &peer);
}

#endif /* KERNTAP_SCOPE_H */
