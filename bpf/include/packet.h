/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * packet.h - what a packet's own headers say
 *
 * Nothing outside of the packet's data is read, and nothing is believed of a header whose version is not the one that
 * the buffer claims.
 */
#ifndef KERNTAP_PACKET_H
#define KERNTAP_PACKET_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "endpoint.h"
#include "kernel.h"

enum {
	ETHERTYPE_MIN = 0x0600, /* smaller values are lengths or no Ethernet protocol at all */
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	FRAGMENT_OFFSET = 0x1fff,
};

struct ipv4_header {
	__u8 version_ihl;
	__u8 tos;
	__be16 length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__sum16 checksum;
	__be32 source;
	__be32 destination;
};

struct ipv6_header {
	__u8 version_class;
	__u8 class_flow[3];
	__be16 length;
	__u8 next_header;
	__u8 hop_limit;
	__be32 source[4];
	__be32 destination[4];
};

/* The ends of a packet as far as its headers tell them. */
struct packet_ends {
	struct endpoint source;
	struct endpoint destination;
	__u8 has_addresses;
	__u8 has_ports;
	__u8 protocol; /* IPPROTO_…, where has_addresses */
	__u8 _pad;
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

/*
 * Takes memory of the kernel for a type whose fields can be read without a helper's call (a35b9af4ec2c "bpf: Add a kfunc
 * for generic type cast", 6.2). A read that faults gives zeros.
 */
extern void *bpf_rdonly_cast(const void *pointer, __u32 btf_id) __ksym __weak;

/* The first bytes of a header, up to the IP protocol, which stands in the tenth of IPv4 and in the seventh of IPv6. */
union packet_start {
	__u32 words[3];
	__u8 bytes[12];
};

static __always_inline bool packet_start_read(union packet_start *start, void *at)
{
	struct in6_addr *sixteen_bytes;

	if (!bpf_rdonly_cast)
		return !bpf_probe_read_kernel(start, sizeof(*start), at);
	sixteen_bytes = bpf_rdonly_cast(at, bpf_core_type_id_kernel(struct in6_addr));
	start->words[0] = sixteen_bytes->in6_u.u6_addr32[0];
	start->words[1] = sixteen_bytes->in6_u.u6_addr32[1];
	start->words[2] = sixteen_bytes->in6_u.u6_addr32[2];
	return true;
}

/* The IP protocol's number, or -1 where the packet is neither IPv4 nor IPv6 or is cut off. */
static __always_inline int packet_protocol(struct sk_buff *skb)
{
	unsigned char *at = skb->head + skb->network_header, *end = skb->head + skb->tail;
	bool ipv4 = skb->protocol == bpf_htons(ETHERTYPE_IPV4), ipv6 = skb->protocol == bpf_htons(ETHERTYPE_IPV6);
	int length = ipv4 ? sizeof(struct ipv4_header) : sizeof(struct ipv6_header);
	union packet_start start;

	if (!(ipv4 || ipv6) || at + length > end || !packet_start_read(&start, at) || start.bytes[0] >> 4 != (ipv4 ? 4 : 6))
		return -1;
	return start.bytes[ipv4 ? __builtin_offsetof(struct ipv4_header, protocol)
				: __builtin_offsetof(struct ipv6_header, next_header)];
}

static __always_inline void packet_ports(struct packet_ends *ends, unsigned char *at, unsigned char *end)
{
	__be16 ports[2];

	if (ends->protocol != IPPROTO_TCP && ends->protocol != IPPROTO_UDP)
		return;
	if (at + sizeof(ports) > end || bpf_probe_read_kernel(ports, sizeof(ports), at))
		return;
	ends->source.port = bpf_ntohs(ports[0]);
	ends->destination.port = bpf_ntohs(ports[1]);
	ends->has_ports = 1;
}

static __always_inline void packet_ipv4(struct packet_ends *ends, unsigned char *at, unsigned char *end)
{
	struct ipv4_header ip;

	if (at + sizeof(ip) > end || bpf_probe_read_kernel(&ip, sizeof(ip), at) || ip.version_ihl >> 4 != 4)
		return;
	endpoint_set4(&ends->source, ip.source, 0);
	endpoint_set4(&ends->destination, ip.destination, 0);
	ends->protocol = ip.protocol;
	ends->has_addresses = 1;
	if (!(bpf_ntohs(ip.fragment) & FRAGMENT_OFFSET))
		packet_ports(ends, at + (ip.version_ihl & 0xf) * 4, end);
}

static __always_inline void packet_ipv6(struct packet_ends *ends, unsigned char *at, unsigned char *end)
{
	struct ipv6_header ip;

	if (at + sizeof(ip) > end || bpf_probe_read_kernel(&ip, sizeof(ip), at) || ip.version_class >> 4 != 6)
		return;
	__builtin_memcpy(ends->source.address, ip.source, sizeof(ip.source));
	__builtin_memcpy(ends->destination.address, ip.destination, sizeof(ip.destination));
	ends->protocol = ip.next_header;
	ends->has_addresses = 1;
	packet_ports(ends, at + sizeof(ip), end);
}

/* Fills ends, which are zero, from the packet's headers. */
static __always_inline void packet_read(struct packet_ends *ends, struct sk_buff *skb)
{
	unsigned char *at = skb->head + skb->network_header, *end = skb->head + skb->tail;

	if (skb->protocol == bpf_htons(ETHERTYPE_IPV4))
		packet_ipv4(ends, at, end);
	else if (skb->protocol == bpf_htons(ETHERTYPE_IPV6))
		packet_ipv6(ends, at, end);
}

#endif /* KERNTAP_PACKET_H */
