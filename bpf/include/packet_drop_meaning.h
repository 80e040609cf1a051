/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * packet_drop_meaning.h - what a drop means beside its reason and its place: what the packet was, and for what
 */
#ifndef KERNTAP_PACKET_DROP_MEANING_H
#define KERNTAP_PACKET_DROP_MEANING_H

#include "argument.h"
#include "memory.h"
#include "packet_shape.h"

enum {
	DROP_ENDING = 1 << 0, /* the packet was for a connection at its end */
	DROP_OPENS = 1 << 1,  /* a TCP segment that asks for a connection, where the reason alone does not tell */
	DROP_BARE = 1 << 2,   /* one that carries nothing but an end, if that: no data, no beginning, no reset, likewise */
	DROP_BAD_SUM = 1 << 3, /* the kernel has found its checksum wrong, likewise */
	DROP_MEANING = 15,    /* what the class depends on beside reason and place */
	DROP_HAS_PROTOCOL = 1 << 4, /* the number of the IP protocol is known */
};

/* how many arguments the tracepoint has: (skb, location) before 5.17, + reason, + rx_sk since 6.11 */
const volatile __u32 tracepoint_args = 2;

/*
 * What a TCP segment was for. Kernels without a reason for it throw away the answer to what they have had already (a
 * probe of a keep-alive, a FIN sent again), an attempt to connect and lost data alike.
 */
static __always_inline __u8 packet_drop_segment(const struct packet_shape *shape)
{
	union header tcp;
	__u32 before;
	__u8 flags;

	if (shape->protocol != IPPROTO_TCP || !packet_has_transport(shape, TCP_HEADER) ||
	    !memory_read(tcp.words, 1, shape->transport + 12))
		return 0;
	flags = tcp.bytes[1];
	if (flags & TCP_FLAG_SYN)
		return flags & TCP_FLAG_ACK ? 0 : DROP_OPENS;
	before = shape->transport - shape->network + (tcp.bytes[0] >> 4) * 4;
	return shape->length == before && !(flags & TCP_FLAG_RST) ? DROP_BARE : 0;
}

/* The source of a packet is the address that a socket is connected to. */
static __always_inline bool packet_drop_is_from(const struct packet_shape *shape, struct sock *peer_of)
{
	const __u32 *peer = peer_of->__sk_common.skc_v6_daddr.in6_u.u6_addr32;
	union header source;

	if (shape->ethertype == ETHERTYPE_IPV4)
		return memory_read(source.words, 1, shape->network + 12) && source.words[0] == peer_of->__sk_common.skc_daddr;
	return memory_read(source.words, 4, shape->network + 8) && source.words[0] == peer[0] && source.words[1] == peer[1] &&
	       source.words[2] == peer[2] && source.words[3] == peer[3];
}

/* A TCP segment comes from where a socket is connected to: it is not the one that sent it. */
static __always_inline bool packet_drop_is_for(const struct packet_shape *shape, struct sock *sk)
{
	union header ports;

	return shape->protocol == IPPROTO_TCP && packet_has_transport(shape, sizeof(__u32)) &&
	       memory_read(ports.words, 1, shape->transport) && ports.halves[0] == sk->__sk_common.skc_dport &&
	       packet_drop_is_from(shape, sk);
}

/*
 * At least one end of the connection has said that it sends no more. Kernels that give reasons but no receiver have it in a
 * packet that came in, once its socket was looked up early; behind that they have reasons for what is lost. Before, the
 * sender may still own what has come over a wire.
 */
static __always_inline bool packet_drop_ending(struct sk_buff *skb, struct sock *receiver, const struct packet_shape *shape)
{
	__u32 ends = 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 | 1 << TCP_TIME_WAIT | 1 << TCP_CLOSE_WAIT | 1 << TCP_LAST_ACK |
		     1 << TCP_CLOSING;

	if (tracepoint_args == 3 && skb->skb_iif) {
		receiver = packet_socket(skb);
		ends |= 1 << TCP_CLOSE;
		if (receiver && !packet_drop_is_for(shape, receiver))
			return false;
	}
	return receiver && ends & 1 << (receiver->__sk_common.skc_state & 31);
}

/* The kernel has computed the checksum of the whole packet, and it was wrong. */
static __always_inline __u8 packet_drop_sum(struct sk_buff *skb)
{
	return BPF_CORE_READ_BITFIELD(skb, csum_complete_sw) && !BPF_CORE_READ_BITFIELD(skb, csum_valid) ? DROP_BAD_SUM : 0;
}

#endif /* KERNTAP_PACKET_DROP_MEANING_H */
