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
#include "include/event.h"
#include "include/ledger.h"
#include "include/owner.h"
#include "include/packet.h"
#include "include/ring.h"
#include "include/run.h"
#include "include/scope.h"
#include "include/throttle.h"

enum {
	DROP_ENDING = 1 << 0,	    /* the packet was for a connection at its end */
	DROP_HAS_PROTOCOL = 1 << 1, /* the number of the IP protocol is known */
};

struct packet_drop_row {
	struct row_owner who;
	char interface[16];
	__u64 location; /* of the code that dropped; never shown as a number */
	__u32 reason;	/* enum skb_drop_reason of the running kernel */
	__u16 ethertype;
	__u8 protocol;
	__u8 flags;
};

struct packet_drop_event {
	struct event_header header;
	__u64 location;
	__u32 reason;
	__u32 length; /* skb->len */
	struct packet_ends ends;
	__u16 ethertype;
	__u8 flags;
	__u8 _pad;
};

enum {
	REASONS = 512, /* more than the core of any kernel has; those of subsystems have numbers above 0xffff */
};

/* the overflow's kind is the reason and DROP_ENDING, as packet_drop_kind puts them together */
LEDGER(struct packet_drop_row, REASONS * 4);
RUNS(struct packet_drop_row);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct packet_drop_event);
} events SEC(".maps");

/* how many arguments the tracepoint has: (skb, location) before 5.17, + reason, + rx_sk since 6.11 */
const volatile __u32 tracepoint_args = 2;

/* for whoever asked for it: it multiplies rows */
const volatile bool rows_by_interface;

/* by reason: 1 if nobody wants a record of such a drop, 2 if nobody does of one for a connection at its end */
volatile __u8 reasons_unrecorded[REASONS];

/* A subsystem's reason has its number in the upper half (include/net/dropreason.h). */
static __always_inline __u32 packet_drop_kind(const struct packet_drop_row *row)
{
	__u32 kind = row->reason, ending = row->flags & DROP_ENDING ? 1 : 0;

	if (kind >= REASONS)
		kind = REASONS + ((kind >> 16 & 7) << 6) + (kind & 63);
	return (kind & (REASONS * 2 - 1)) * 2 + ending;
}

static __always_inline bool packet_drop_unrecorded(const struct packet_drop_row *row)
{
	if (row->reason >= REASONS)
		return false;
	return reasons_unrecorded[row->reason] & (row->flags & DROP_ENDING ? 3 : 1);
}

/* At least one end of the connection has said that it sends no more. */
static __always_inline bool packet_drop_ending(struct sock *receiver)
{
	__u32 ends = 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 | 1 << TCP_TIME_WAIT | 1 << TCP_CLOSE_WAIT | 1 << TCP_LAST_ACK |
		     1 << TCP_CLOSING;

	return receiver && ends & 1 << (receiver->__sk_common.skc_state & 31);
}

/*
 * The namespace of the socket that was to receive or that sent the packet, or of the device that it came in on. A
 * buffer that waits in a UDP socket's queue has neither: what lies in dev then is no device, is read as none, and such
 * a drop is of no known namespace.
 */
static __always_inline __u32 packet_drop_netns(struct sk_buff *skb, struct sock *receiver)
{
	struct sock *sender = skb->sk;

	if (receiver)
		return netns_of_socket(receiver);
	if (sender)
		return netns_of_socket(sender);
	return skb->dev->nd_net.net->ns.inum;
}

static __always_inline void packet_drop_record(struct sk_buff *skb, const struct packet_drop_row *row,
					       const struct socket_owner *known, __u32 netns)
{
	struct packet_drop_event *event = ring_reserve(&events, sizeof(*event));

	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.timestamp_ns = bpf_ktime_get_ns();
	event->header.netns = netns;
	if (known)
		event->header.owner = known->owner;
	event->location = row->location;
	event->reason = row->reason;
	event->length = skb->len;
	event->ethertype = row->ethertype;
	event->flags = row->flags;
	packet_read(&event->ends, skb);
	ring_submit(event);
}

SEC("tp_btf/kfree_skb")
int packet_drop_kfree_skb(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct packet_drop_row row = {};
	struct socket_owner *known = 0;
	struct sock *receiver = 0;
	__u32 netns, slot;
	int protocol;

	if (!packet_is(skb))
		return 0;
	if (tracepoint_args >= 4) {
		receiver = (void *)ctx[3];
		known = owner_find(receiver);
	}
	if (!known)
		known = owner_find(skb->sk);
	barrier_var(known); /* else clang keeps a truth value in its place, which the verifier cannot follow */
	netns = packet_drop_netns(skb, receiver);
	if ((known && known->own) || !in_scope(netns)) {
		ledger_count(filtered);
		return 0;
	}
	row.location = ctx[1];
	if (tracepoint_args >= 3)
		row.reason = ctx[2];
	row.ethertype = bpf_ntohs(skb->protocol);
	protocol = packet_protocol(skb);
	if (protocol >= 0) {
		row.protocol = protocol;
		row.flags = DROP_HAS_PROTOCOL;
	}
	if (packet_drop_ending(receiver))
		row.flags |= DROP_ENDING;
	if (rows_by_interface && !skb->sk) /* of a buffer that a socket owns, other things lie in dev */
		__builtin_memcpy(row.interface, skb->dev->name, sizeof(row.interface));
	if (known) {
		row_owner_set(&row.who, &known->owner);
		ledger_charge(&known->owner, row.reason << 1 | (row.flags & DROP_ENDING), row.location);
	}
	slot = ledger_tally_run(&row, skb->len, packet_drop_kind);
	if (packet_drop_unrecorded(&row))
		ledger_count(counted);
	else if (ledger_admits_slot(slot))
		packet_drop_record(skb, &row, known, netns);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
