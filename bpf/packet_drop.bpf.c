/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * packet_drop - packets that the kernel dropped, and why
 *
 * The hook fires wherever the kernel frees a buffer that it did not deliver, mostly in softirq on whichever CPU got
 * the packet: the running task says nothing. The process comes from the storage of the socket that owns or was to
 * receive the packet, or is left out. Buffers that are no packets (AF_UNIX, netlink, vsock) pass here too and are not
 * events.
 */
#include "include/kernel.h"
#include <bpf/bpf_tracing.h>
#include "include/endpoint.h"
#include "include/event.h"
#include "include/ledger.h"
#include "include/owner.h"
#include "include/scope.h"

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

struct packet_drop_event {
	struct event_header header;
	__u64 location; /* of the code that dropped; never shown as a number */
	__u32 reason;	/* enum skb_drop_reason of the running kernel */
	__u32 length;	/* skb->len */
	struct endpoint source;
	struct endpoint destination;
	__u16 ethertype;
	__u8 protocol; /* IPPROTO_…, where has_addresses */
	__u8 has_addresses;
	__u8 has_ports;
	__u8 receiver_state; /* of the socket that the packet was for, TCP_…; 0: none, or not told by this kernel */
	__u8 _pad[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct packet_drop_event);
} events SEC(".maps");

/* how many arguments the tracepoint has: (skb, location) before 5.17, + reason, + rx_sk since 6.11 */
const volatile __u32 tracepoint_args = 2;

static __always_inline void packet_ports(struct packet_drop_event *event, unsigned char *at, unsigned char *end)
{
	__be16 ports[2];

	if (event->protocol != IPPROTO_TCP && event->protocol != IPPROTO_UDP)
		return;
	if (at + sizeof(ports) > end || bpf_probe_read_kernel(ports, sizeof(ports), at))
		return;
	event->source.port = bpf_ntohs(ports[0]);
	event->destination.port = bpf_ntohs(ports[1]);
	event->has_ports = 1;
}

static __always_inline void packet_ipv4(struct packet_drop_event *event, unsigned char *at, unsigned char *end)
{
	struct ipv4_header ip;

	if (at + sizeof(ip) > end || bpf_probe_read_kernel(&ip, sizeof(ip), at) || ip.version_ihl >> 4 != 4)
		return;
	endpoint_set4(&event->source, ip.source, 0);
	endpoint_set4(&event->destination, ip.destination, 0);
	event->protocol = ip.protocol;
	event->has_addresses = 1;
	if (!(bpf_ntohs(ip.fragment) & FRAGMENT_OFFSET))
		packet_ports(event, at + (ip.version_ihl & 0xf) * 4, end);
}

static __always_inline void packet_ipv6(struct packet_drop_event *event, unsigned char *at, unsigned char *end)
{
	struct ipv6_header ip;

	if (at + sizeof(ip) > end || bpf_probe_read_kernel(&ip, sizeof(ip), at) || ip.version_class >> 4 != 6)
		return;
	__builtin_memcpy(event->source.address, ip.source, sizeof(ip.source));
	__builtin_memcpy(event->destination.address, ip.destination, sizeof(ip.destination));
	event->protocol = ip.next_header;
	event->has_addresses = 1;
	packet_ports(event, at + sizeof(ip), end);
}

/*
 * The namespace of the socket that was to receive or that sent the packet, or of the device that it came in on. A
 * buffer that waits in a UDP socket's queue has neither: what lies in dev then is no device, is read as none, and such
 * a drop is of no known namespace.
 */
static __always_inline __u32 packet_netns(struct sk_buff *skb, struct sock *receiver)
{
	struct sock *sender = skb->sk;

	if (receiver)
		return netns_of_socket(receiver);
	if (sender)
		return netns_of_socket(sender);
	return skb->dev->nd_net.net->ns.inum;
}

SEC("tp_btf/kfree_skb")
int packet_drop_kfree_skb(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	__u16 ethertype = bpf_ntohs(skb->protocol);
	__u16 network_header = skb->network_header;
	struct packet_drop_event *event;
	struct socket_owner *known = 0;
	struct sock *receiver = 0;
	unsigned char *at, *end;
	__u32 netns;

	/* an unset network header is 0 in buffers that never had one, ~0 in those that lost it */
	if (ethertype < ETHERTYPE_MIN || network_header == 0 || network_header == 0xffff)
		return 0;
	ledger_count(seen);
	if (tracepoint_args >= 4) {
		receiver = (void *)ctx[3];
		known = owner_find(receiver);
	}
	if (!known)
		known = owner_find(skb->sk);
	barrier_var(known); /* else clang keeps a truth value in its place, which the verifier cannot follow */
	netns = packet_netns(skb, receiver);
	if ((known && known->own) || !in_scope(netns)) {
		ledger_count(filtered);
		return 0;
	}
	event = ledger_reserve(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.timestamp_ns = bpf_ktime_get_ns();
	event->header.netns = netns;
	if (known)
		event->header.owner = known->owner;
	event->location = ctx[1];
	if (tracepoint_args >= 3)
		event->reason = ctx[2];
	if (receiver)
		event->receiver_state = receiver->__sk_common.skc_state;
	event->length = skb->len;
	event->ethertype = ethertype;
	at = skb->head + network_header;
	end = skb->head + skb->tail;
	if (ethertype == ETHERTYPE_IPV4)
		packet_ipv4(event, at, end);
	else if (ethertype == ETHERTYPE_IPV6)
		packet_ipv6(event, at, end);
	ledger_submit(event);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
