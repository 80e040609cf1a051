/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * packet_drop_event.h - what packet_drop.bpf.c counts and records of a packet that was dropped
 */
#ifndef KERNTAP_PACKET_DROP_EVENT_H
#define KERNTAP_PACKET_DROP_EVENT_H

#include "event.h"
#include "ledger.h"
#include "owner.h"
#include "packet.h"
#include "packet_device.h"
#include "packet_drop_meaning.h"
#include "ring.h"
#include "run.h"
#include "scope.h"

struct packet_drop_row {
	__u64 location; /* of the code that dropped; never shown as a number */
	__u32 reason;	/* enum skb_drop_reason of the running kernel */
	__u16 ethertype;
	__u8 protocol;
	__u8 flags;
	char interface[16];
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

#endif /* KERNTAP_PACKET_DROP_EVENT_H */
