/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * packet_drop - packets that the kernel dropped, and why
 *
 * The hook fires wherever the kernel frees a buffer that it did not deliver, mostly in softirq on whichever CPU got
 * the packet: the running task says nothing. The process comes from what is kept of the socket that owns or was to
 * receive the packet, or is left out. Buffers that are no packets (AF_UNIX, netlink, vsock) pass here too and are not
 * events.
 */
#include "include/kernel.h"
#include <bpf/bpf_tracing.h>
#include "include/argument.h"
#include "include/event.h"
#include "include/filter.h"
#include "include/ledger.h"
#include "include/owner.h"
#include "include/packet.h"
#include "include/packet_device.h"
#include "include/packet_drop_meaning.h"
#include "include/ring.h"
#include "include/run.h"
#include "include/scope.h"
#include "include/throttle.h"

struct packet_drop_row {
	char interface[16];
	__u64 location; /* of the code that dropped; never shown as a number */
	__u32 reason;	/* enum skb_drop_reason of the running kernel */
	__u16 ethertype;
	__u8 protocol;
	__u8 flags;
	struct row_owner who;
};

struct packet_drop_event {
	struct event_header header;
	__u64 location;
	__u32 reason;
	__u32 length; /* skb->len */
	struct packet_headers packet;
	char device[16]; /* that the packet was at, "" where that is not known */
	__u32 device_index;
	__u32 received_on; /* index of the device that it came in on; 0: on none yet */
	__u8 flags;
	bool owned; /* a socket owned it, and it had not left the socket's network namespace */
	__u8 _pad[6];
};

enum {
	REASONS_CORE = 512, /* more than the core of any kernel has */
	SUBSYSTEMS = 8,	    /* whose reasons have its number in the upper half (include/net/dropreason.h) */
	SUBSYSTEM_REASONS = 64,
	REASONS = REASONS_CORE + SUBSYSTEMS * SUBSYSTEM_REASONS,
};

/* the overflow's kind is the reason and DROP_MEANING, as packet_drop_kind puts them together */
LEDGER(struct packet_drop_row, REASONS * (DROP_MEANING + 1));
RUNS(struct packet_drop_row);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct packet_drop_event);
} events SEC(".maps");

/* for whoever asked for it: it multiplies rows */
const volatile bool rows_by_interface;

/* What is to be done about a reason: when nobody wants a record, and whether that depends on the packet itself. */
enum {
	REASON_UNRECORDED = 1 << 0,	   /* nobody does */
	REASON_UNRECORDED_ENDING = 1 << 1, /* nobody does of a packet for a connection at its end */
	REASON_UNRECORDED_BARE = 1 << 2,   /* nobody does of a TCP segment that carries nothing */
	REASON_ASKS_PACKET = 1 << 3,	   /* what it means is told by the packet alone */
	REASON_EXCLUDED = 1 << 4,	   /* nobody wants to hear of it */
};

volatile __u8 reasons[REASONS];

/* The number of a reason among those of all; 0, which is none, for one beyond what is foreseen. */
static __always_inline __u32 packet_drop_number(__u32 reason)
{
	__u32 subsystem = reason >> 16, number = reason & 0xffff;

	if (!subsystem)
		return number < REASONS_CORE ? number : 0;
	if (subsystem >= SUBSYSTEMS || number >= SUBSYSTEM_REASONS)
		return 0;
	return (REASONS_CORE + subsystem * SUBSYSTEM_REASONS + number) & (REASONS - 1);
}

static __always_inline __u32 packet_drop_kind(const struct packet_drop_row *row)
{
	return packet_drop_number(row->reason) * (DROP_MEANING + 1) + (row->flags & DROP_MEANING);
}

static __always_inline bool packet_drop_unrecorded(const struct packet_drop_row *row, __u8 about)
{
	return about & REASON_UNRECORDED || (about & REASON_UNRECORDED_ENDING && row->flags & DROP_ENDING) ||
	       (about & REASON_UNRECORDED_BARE && row->flags & DROP_BARE);
}

/*
 * The namespace of the socket that was to receive or that sent the packet, or of the device that it came in on. A
 * buffer that waits in a UDP socket's queue has neither: what lies in dev then is no device, is read as none, and such
 * a drop is of no known namespace.
 */
static __always_inline __u32 packet_drop_netns(struct sk_buff *skb, struct sock *receiver)
{
	struct sock *sender = packet_socket(skb);

	if (receiver)
		return netns_of_socket(receiver);
	if (sender)
		return netns_of_socket(sender);
	return device_netns(skb->dev);
}

static __always_inline void packet_drop_device(struct packet_drop_event *event, struct sk_buff *skb)
{
	struct net_device *device = skb->dev;
	struct sock *sender = packet_socket(skb);

	event->received_on = skb->skb_iif;
	event->owned = sender;
	if (!is_device(device))
		return;
	if (sender && sender->__sk_common.skc_net.net != device_net(device))
		event->owned = false;
	event->device_index = device_index(device);
	if (event->device_index)
		device_name(event->device, device);
}

static __always_inline void packet_drop_record(struct sk_buff *skb, const struct packet_shape *shape,
					       const struct packet_drop_row *row, const struct socket_owner *known,
					       struct sock *receiver)
{
	struct packet_drop_event *event = ring_reserve(&events, sizeof(*event));

	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.timestamp_ns = bpf_ktime_get_ns();
	if (receiver || packet_socket(skb) || is_device(skb->dev))
		event->header.netns = packet_drop_netns(skb, receiver);
	if (known)
		event->header.owner = known->owner;
	event->location = row->location;
	event->reason = row->reason;
	event->length = skb->len;
	event->flags = row->flags;
	packet_read(&event->packet, shape);
	packet_drop_device(event, skb);
	ring_submit(event);
}

/* Either end of a packet may be what somebody wants, or does not. */
static __noinline int packet_drop_filtered(const struct packet_shape *shape, const struct socket_owner *known)
{
	struct packet_headers headers = {};
	__u32 about = 0;

	packet_read(&headers, shape);
	if (headers.known & PACKET_ADDRESSES)
		about |= FILTER_ADDRESSES | FILTER_LOCAL_NETWORK | FILTER_PEER_NETWORK;
	if (headers.known & PACKET_PORTS)
		about |= FILTER_LOCAL_PORT | FILTER_PEER_PORT;
	return filter_leaves_out(known ? &known->owner : 0, &headers.destination, &headers.source, about);
}

SEC("tp_btf/kfree_skb")
int packet_drop_kfree_skb(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct packet_drop_row row = {};
	struct socket_owner *known = 0;
	struct sock *receiver = 0;
	struct packet_shape shape;
	__u8 about;

	if (!packet_is(skb))
		return 0;
	if (tracepoint_args >= 3)
		row.reason = ctx[2];
	about = reasons[packet_drop_number(row.reason) & (REASONS - 1)];
	if (about & REASON_EXCLUDED) {
		ledger_count(filtered);
		return 0;
	}
	if (tracepoint_args >= 4) {
		receiver = (void *)ctx[3];
		if (!is_there(receiver))
			receiver = 0;
		known = owner_find(receiver);
	}
	if (!known)
		known = owner_find(packet_socket(skb));
	barrier_var(known); /* else clang keeps a truth value in its place, which the verifier cannot follow */
	/* where everything is in scope the namespace is not read: see netns_of_socket */
	if ((known && known->own) || (scope_netns && !in_scope(packet_drop_netns(skb, receiver)))) {
		ledger_count(filtered);
		return 0;
	}
	row.location = ctx[1];
	packet_locate(&shape, skb);
	if (filters && packet_drop_filtered(&shape, known)) {
		ledger_count(filtered);
		return 0;
	}
	row.ethertype = shape.ethertype;
	row.protocol = shape.protocol;
	if (shape.has_protocol)
		row.flags = DROP_HAS_PROTOCOL;
	if (packet_drop_ending(skb, receiver, &shape))
		row.flags |= DROP_ENDING;
	if (about & REASON_ASKS_PACKET)
		row.flags |= packet_drop_segment(&shape) | packet_drop_sum(skb);
	if (rows_by_interface && !packet_socket(skb) && is_device(skb->dev)) /* of a buffer that a socket owns, other things lie in dev */
		device_name(row.interface, skb->dev);
	if (known) {
		row_owner_set(&row.who, &known->owner);
		ledger_charge(&known->owner, row.reason << 4 | (row.flags & DROP_MEANING), row.location);
	}
	if (ledger_tally_run(&row, skb->len, packet_drop_kind, !packet_drop_unrecorded(&row, about)))
		packet_drop_record(skb, &shape, &row, known, receiver);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
