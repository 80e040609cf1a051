/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * endpoint.h - addresses and ports
 *
 * Addresses are always 16 bytes in network order, IPv4 as IPv4-mapped IPv6; ports are in host order.
 */
#ifndef KERNTAP_ENDPOINT_H
#define KERNTAP_ENDPOINT_H

#include <bpf/bpf_endian.h>
#include "kernel.h"

struct endpoint {
	__be32 address[4];
	__u16 port;
	__u16 _pad;
};

static __always_inline void endpoint_set4(struct endpoint *end, __be32 address, __u16 port)
{
	end->address[0] = 0;
	end->address[1] = 0;
	end->address[2] = bpf_htonl(0xffff);
	end->address[3] = address;
	end->port = port;
	end->_pad = 0;
}

static __always_inline void endpoint_set6(struct endpoint *end, const struct in6_addr *address, __u16 port)
{
	end->address[0] = address->in6_u.u6_addr32[0];
	end->address[1] = address->in6_u.u6_addr32[1];
	end->address[2] = address->in6_u.u6_addr32[2];
	end->address[3] = address->in6_u.u6_addr32[3];
	end->port = port;
	end->_pad = 0;
}

static __always_inline bool endpoints_share_address(const struct endpoint *one, const struct endpoint *other)
{
	return one->address[0] == other->address[0] && one->address[1] == other->address[1] &&
	       one->address[2] == other->address[2] && one->address[3] == other->address[3];
}

/*
 * The two ends of a full socket. The local port is inet_sport: skc_num is 0 again by the time a socket is in CLOSE.
 */
static __always_inline void endpoints_of(struct sock *sk, __u16 local_port, struct endpoint *local,
					 struct endpoint *peer)
{
	__u16 peer_port = bpf_ntohs(sk->__sk_common.skc_dport);

	if (sk->__sk_common.skc_family == AF_INET6) {
		endpoint_set6(local, &sk->__sk_common.skc_v6_rcv_saddr, local_port);
		endpoint_set6(peer, &sk->__sk_common.skc_v6_daddr, peer_port);
	} else {
		endpoint_set4(local, sk->__sk_common.skc_rcv_saddr, local_port);
		endpoint_set4(peer, sk->__sk_common.skc_daddr, peer_port);
	}
}

#endif /* KERNTAP_ENDPOINT_H */
