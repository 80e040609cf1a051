/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * packet.h - what a packet's own headers say
 */
#ifndef KERNTAP_PACKET_H
#define KERNTAP_PACKET_H

#include "endpoint.h"
#include "packet_shape.h"

/* What is known of a packet. */
enum {
	PACKET_ADDRESSES = 1 << 0,
	PACKET_PROTOCOL = 1 << 1,
	PACKET_PORTS = 1 << 2,
	PACKET_TCP_FLAGS = 1 << 3,
	PACKET_ICMP = 1 << 4,
};

struct packet_headers {
	struct endpoint source;
	struct endpoint destination;
	__u16 ethertype; /* of the network layer, behind VLAN tags */
	__u8 known;	 /* PACKET_… */
	__u8 protocol;	 /* IPPROTO_… of the transport */
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 _pad;
};

static __always_inline bool packet_protocol_has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_DCCP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_UDPLITE;
}

static __always_inline void packet_addresses(struct packet_headers *to, const struct packet_shape *shape)
{
	__u32 four[2];

	if (shape->ethertype == ETHERTYPE_IPV4) {
		if (!memory_read(four, 2, shape->network + 12))
			return;
		endpoint_set4(&to->source, four[0], 0);
		endpoint_set4(&to->destination, four[1], 0);
	} else if (!memory_read(to->source.address, 4, shape->network + 8) ||
		   !memory_read(to->destination.address, 4, shape->network + 24))
		return;
	to->known |= PACKET_ADDRESSES;
}

static __always_inline void packet_transport(struct packet_headers *to, const struct packet_shape *shape)
{
	__u32 word;

	if (!packet_has_transport(shape, sizeof(word)) || !memory_read(&word, 1, shape->transport))
		return;
	word = bpf_ntohl(word);
	if (packet_protocol_has_ports(shape->protocol)) {
		to->source.port = word >> 16;
		to->destination.port = word;
		to->known |= PACKET_PORTS;
	} else if (shape->protocol == IPPROTO_ICMP || shape->protocol == IPPROTO_ICMPV6) {
		to->icmp_type = word >> 24;
		to->icmp_code = word >> 16;
		to->known |= PACKET_ICMP;
	}
	if (shape->protocol == IPPROTO_TCP && packet_has_transport(shape, TCP_HEADER) &&
	    memory_read(&word, 1, shape->transport + 12)) {
		to->tcp_flags = bpf_ntohl(word) >> 16;
		to->known |= PACKET_TCP_FLAGS;
	}
}

/* Fills headers, which are zero, from a packet that was located. */
static __always_inline void packet_read(struct packet_headers *to, const struct packet_shape *shape)
{
	to->ethertype = shape->ethertype;
	if (!shape->is_ip)
		return;
	packet_addresses(to, shape);
	if (shape->has_protocol) {
		to->protocol = shape->protocol;
		to->known |= PACKET_PROTOCOL;
		packet_transport(to, shape);
	}
}

#endif /* KERNTAP_PACKET_H */
