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
#include "include/filter.h"
#include "include/packet_drop_event.h"

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

/* The socket that was to receive the packet, or NULL. */
static __always_inline struct sock *packet_drop_receiver(__u64 *ctx)
{
	struct sock *receiver;

	if (tracepoint_args < 4)
		return 0;
	receiver = (void *)ctx[3];
	return is_there(receiver) ? receiver : 0;
}

/* Counts a drop in its row and, within the throttle, records it. */
static __noinline int packet_drop_tell(__u64 *ctx, __u8 about)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct sock *receiver = packet_drop_receiver(ctx);
	struct socket_owner *known = owner_find(receiver);
	struct packet_drop_row row = { .location = ctx[1] };
	struct packet_shape shape;

	if (tracepoint_args >= 3)
		row.reason = ctx[2];
	if (!known)
		known = owner_find(packet_socket(skb));
	barrier_var(known); /* else clang keeps a truth value in its place, which the verifier cannot follow */
	/* where everything is in scope the namespace is not read: see netns_of_socket */
	if ((known && known->own) || (scope_netns && !in_scope(packet_drop_netns(skb, receiver)))) {
		ledger_count(filtered);
		return 0;
	}
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
	/* of a buffer that a socket owns, other things lie in dev */
	if (rows_by & ROWS_BY_INTERFACE && !packet_socket(skb) && is_device(skb->dev))
		device_name(row.interface, skb->dev);
	if (known) {
		row_owner_set(&row.who, &known->owner);
		ledger_charge(&known->owner, row.reason << 4 | (row.flags & DROP_MEANING), row.location);
	}
	if (ledger_tally_run(&row, skb->len, packet_drop_kind, !packet_drop_unrecorded(&row, about)))
		packet_drop_record(skb, &shape, &row, known, receiver);
	return 0;
}

/* Records a drop that was counted again. */
static __noinline int packet_drop_record_again(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct packet_drop_row row = { .location = ctx[1], .flags = DROP_HAS_PROTOCOL };
	struct packet_shape shape;

	if (tracepoint_args >= 3)
		row.reason = ctx[2];
	packet_locate(&shape, skb);
	packet_drop_record(skb, &shape, &row, 0, 0);
	return 0;
}

/*
 * A drop that no socket has to do with is what a row counts, if it has the protocol. Mostly it is, and one branch is cheaper
 * than one for each thing.
 */
static __always_inline bool packet_drop_is(const struct packet_drop_row *row, __u64 location, __u32 reason, __u16 ethertype,
					   __u8 protocol)
{
	const __u64 *command = (const __u64 *)row->who.command;

	return !((row->location ^ location) | (row->reason ^ reason) | (row->ethertype ^ ethertype) |
		 (row->protocol ^ protocol) | (row->flags ^ DROP_HAS_PROTOCOL) | command[0] | command[1]);
}

/* A function of its own: the stack of those below is little. */
static __noinline int packet_drop_device_in_scope(struct sk_buff *skb)
{
	return in_scope(device_netns(skb->dev));
}

/* Whether nothing but the packet itself is asked for to count a drop, and no socket has to do with it. */
static __always_inline bool packet_drop_is_plain(__u64 *ctx, struct sk_buff *skb, __u8 about)
{
	if (rows_by & ~ROWS_BY_PORT || filters || about & REASON_ASKS_PACKET || packet_socket(skb) || packet_drop_receiver(ctx))
		return false;
	return !scope_netns || packet_drop_device_in_scope(skb);
}

/*
 * A storm is the same over and over, and mostly of packets that no socket has to do with. Such a one is compared with the
 * run without a row being made of it, which takes as long as all the rest. Whether it was counted.
 */
static __always_inline bool packet_drop_again(__u64 *ctx, struct sk_buff *skb, __u32 reason, __u8 about)
{
	struct run *run = run_now();
	bool again, record = false;
	__u8 protocol;

	/* the run is looked at before the packet, so that the processor waits for both at once */
	if (!run || !*(volatile __u64 *)&run->head.tally.count || !packet_drop_is_plain(ctx, skb, about) ||
	    !packet_protocol(&protocol, skb) || !run_take(&run->head))
		return false;
	again = packet_drop_is(&run->row, ctx[1], reason, bpf_ntohs(skb->protocol), protocol);
	if (again)
		record = run_count(&run->head, skb->len, !(about & REASON_UNRECORDED));
	run_release(&run->head);
	if (unlikely(record))
		packet_drop_record_again(ctx);
	return again;
}

SEC("tp_btf/kfree_skb")
int packet_drop_kfree_skb(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	__u32 reason = 0;
	__u8 about;

	if (!packet_is(skb))
		return 0;
	if (tracepoint_args >= 3)
		reason = ctx[2];
	about = reasons[packet_drop_number(reason) & (REASONS - 1)];
	if (about & REASON_EXCLUDED)
		ledger_count(filtered);
	else if (!packet_drop_again(ctx, skb, reason, about))
		packet_drop_tell(ctx, about);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
