/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * packet_shape.h - where the headers of a packet lie
 *
 * Nothing outside of the packet's data is read, neither what its IP header says to be no part of it (the padding of
 * Ethernet), and nothing is believed of a header whose version is not the one that the buffer claims. Of a packet in a
 * tunnel these are the outer headers, until the kernel has taken them off.
 */
#ifndef KERNTAP_PACKET_SHAPE_H
#define KERNTAP_PACKET_SHAPE_H

#include <bpf/bpf_endian.h>
#include "kernel.h"
#include "memory.h"

enum {
	ETHERTYPE_MIN = 0x0600, /* smaller values are lengths or no Ethernet protocol at all */
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERNET_HEADER = 14,
	VLAN_TAG = 4,
	VLAN_TAGS = 2, /* that are looked behind */

	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	IPV6_EXTENSION = 8, /* at least */
	IPV6_EXTENSIONS = 8, /* that are looked behind */
	TCP_HEADER = 20,
	FRAGMENT_OFFSET = 0x1fff,
	FRAGMENT_OFFSET6 = 0xfff8,

	TCP_FLAG_FIN = 1 << 0,
	TCP_FLAG_SYN = 1 << 1,
	TCP_FLAG_RST = 1 << 2,
	TCP_FLAG_ACK = 1 << 4,
};

/* The first bytes of a header. */
union header {
	__u32 words[10];
	__u16 halves[20];
	__u8 bytes[40];
};

/* Where the headers of a packet lie. */
struct packet_shape {
	unsigned char *network;
	unsigned char *transport; /* NULL where it is not there: in a later fragment, or cut off */
	unsigned char *end;	  /* of what can be read */
	__u32 length;		  /* of the network layer, as its header tells; 0: it does not */
	__u16 ethertype;
	__u8 protocol;
	bool is_ip; /* its header is there, and of the version that the buffer claims */
	bool has_protocol;
	__u8 _pad[7];
};

/*
 * Whether the buffer holds a packet. Buffers of AF_UNIX, netlink and vsock do not; an unset network header is 0 in
 * buffers that never had one, ~0 in those that lost it.
 */
static __always_inline bool packet_is(struct sk_buff *skb)
{
	__u16 network_header = skb->network_header;

	return bpf_ntohs(skb->protocol) >= ETHERTYPE_MIN && network_header != 0 && network_header != 0xffff;
}

static __always_inline bool packet_tagged(__u16 ethertype)
{
	return ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_QINQ;
}

/* Reads an Ethernet protocol and the two bytes before it, which are a MAC address's or a VLAN tag's. */
static __always_inline bool packet_ethertype(__u16 *ethertype, const struct packet_shape *shape, unsigned char *at)
{
	union header around;

	if (at + sizeof(__u16) > shape->end || !memory_read(around.words, 1, at - sizeof(__u16)))
		return false;
	*ethertype = bpf_ntohs(around.halves[1]);
	return true;
}

/*
 * A packet that still carries its VLAN tags: devices on its way have set the network header before them or behind. They
 * follow the Ethernet addresses, if it is their kind that the buffer claims.
 */
static __always_inline void packet_untag(struct packet_shape *shape, struct sk_buff *skb)
{
	unsigned char *at = skb->head + skb->mac_header + ETHERNET_HEADER - sizeof(__u16);
	__u16 ethertype;

	if (skb->mac_header == 0xffff || !packet_ethertype(&ethertype, shape, at) || ethertype != shape->ethertype)
		return;
	for (int i = 0; i < VLAN_TAGS && packet_tagged(ethertype); i++) {
		at += VLAN_TAG;
		if (!packet_ethertype(&ethertype, shape, at))
			return;
	}
	if (packet_tagged(ethertype))
		return;
	shape->ethertype = ethertype;
	shape->network = at + sizeof(__u16);
}

/* Takes the length that an IP header claims: what lies behind it is padding. */
static __always_inline void packet_bound(struct packet_shape *shape, __u32 length)
{
	shape->length = length;
	if (length && shape->network + length < shape->end)
		shape->end = shape->network + length;
}

static __always_inline void packet_locate4(struct packet_shape *shape)
{
	union header ip;
	__u32 length;

	if (shape->network + IPV4_HEADER > shape->end || !memory_read(ip.words, 3, shape->network) || ip.bytes[0] >> 4 != 4)
		return;
	length = (ip.bytes[0] & 0xf) * 4;
	if (length < IPV4_HEADER)
		return;
	shape->is_ip = true;
	packet_bound(shape, bpf_ntohs(ip.halves[1]));
	shape->protocol = ip.bytes[9];
	shape->has_protocol = true;
	if (!(bpf_ntohs(ip.halves[3]) & FRAGMENT_OFFSET))
		shape->transport = shape->network + length;
}

/* Headers before that of the transport (RFC 8200, section 4.1): hop-by-hop, routing, fragment, authentication, … */
static __always_inline bool packet_extension(__u8 header)
{
	const __u64 low = 1ULL << 0 | 1ULL << 43 | 1ULL << 44 | 1ULL << 51 | 1ULL << 60;

	return (header < 64 && (low >> header & 1)) || header == 135 || header == 139 || header == 140;
}

static __always_inline void packet_locate6(struct packet_shape *shape)
{
	unsigned char *at = shape->network + IPV6_HEADER;
	bool later_fragment = false;
	union header ip;
	__u8 header;

	if (at > shape->end || !memory_read(ip.words, 2, shape->network) || ip.bytes[0] >> 4 != 6)
		return;
	shape->is_ip = true;
	header = ip.bytes[6];
	if (ip.halves[2]) /* else it is longer than 64 KB, or has no more than its header */
		packet_bound(shape, IPV6_HEADER + bpf_ntohs(ip.halves[2]));
#pragma clang loop unroll(disable)
	for (int i = 0; i < IPV6_EXTENSIONS && packet_extension(header) && !later_fragment; i++) {
		__u8 kind = header;

		if (at + IPV6_EXTENSION > shape->end || !memory_read(ip.words, 1, at))
			return;
		header = ip.bytes[0];
		if (kind == 44)
			later_fragment = bpf_ntohs(ip.halves[1]) & FRAGMENT_OFFSET6;
		at += kind == 44 ? IPV6_EXTENSION : kind == 51 ? (ip.bytes[1] + 2) * 4 : (ip.bytes[1] + 1) * 8;
	}
	if (packet_extension(header))
		return;
	shape->protocol = header;
	shape->has_protocol = true;
	if (!later_fragment)
		shape->transport = at;
}

static __always_inline void packet_locate(struct packet_shape *shape, struct sk_buff *skb)
{
	shape->network = skb->head + skb->network_header;
	shape->transport = 0;
	shape->end = skb->head + skb->tail;
	shape->length = 0;
	shape->ethertype = bpf_ntohs(skb->protocol);
	shape->protocol = 0;
	shape->is_ip = false;
	shape->has_protocol = false;
	if (packet_tagged(shape->ethertype))
		packet_untag(shape, skb);
	if (shape->ethertype == ETHERTYPE_IPV4)
		packet_locate4(shape);
	else if (shape->ethertype == ETHERTYPE_IPV6)
		packet_locate6(shape);
}

/*
 * The protocol of the transport in most packets, those of IP whose transport follows its header at once, without all else that
 * their shape is made of. Where another header follows that of IPv6 it is the number of that one, which no shape that has a
 * protocol has.
 */
static __always_inline bool packet_protocol(__u8 *protocol, struct sk_buff *skb)
{
	__u32 at = skb->network_header, first, then;
	unsigned char *network = skb->head + at;

	if (likely(skb->protocol == bpf_htons(ETHERTYPE_IPV4))) {
		if (at + IPV4_HEADER > skb->tail || !memory_read(&first, 1, network) || !memory_read(&then, 1, network + 8))
			return false;
		first = bpf_ntohl(first) >> 24;
		*protocol = bpf_ntohl(then) >> 16;
		return first >> 4 == 4 && (first & 0xf) * 4 >= IPV4_HEADER;
	}
	if (skb->protocol != bpf_htons(ETHERTYPE_IPV6) || at + IPV6_HEADER > skb->tail || !memory_read(&first, 1, network) ||
	    !memory_read(&then, 1, network + 4))
		return false;
	*protocol = bpf_ntohl(then) >> 8;
	return bpf_ntohl(first) >> 28 == 6;
}

/* Whether the transport's header, or so much of it, is there to be read. */
static __always_inline bool packet_has_transport(const struct packet_shape *shape, int bytes)
{
	return shape->transport && shape->transport + bytes <= shape->end;
}

#endif /* KERNTAP_PACKET_SHAPE_H */
