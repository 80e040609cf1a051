/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * tcp_trouble - segments that TCP sends again, and resets that it sends and receives
 *
 * The hooks fire where the kernel does so: in timers, in softirq on whichever CPU got a packet, seldom in the process
 * itself, so that the running task says nothing. The process is the owner of the socket, the listener's for connections
 * that are not accepted yet, and left out where no socket is. None of the hooks lies where data passes: a connection that
 * nothing befalls meets none of them.
 */
#include "include/kernel.h"
#include <bpf/bpf_tracing.h>
#include "include/endpoint.h"
#include "include/event.h"
#include "include/filter.h"
#include "include/ledger.h"
#include "include/owner.h"
#include "include/packet.h"
#include "include/ring.h"
#include "include/scope.h"
#include "include/throttle.h"

enum tcp_trouble_kind {
	TROUBLE_RETRANSMIT = 0,
	TROUBLE_RESET_SENT = 1,
	TROUBLE_RESET_RECEIVED = 2,
};

struct tcp_trouble_row {
	__u32 reason; /* of a reset that was sent: enum sk_rst_reason of the running kernel, where it has that */
	__u8 kind;    /* enum tcp_trouble_kind */
	__u8 _pad[3];
	struct row_owner who;
};

struct tcp_trouble_event {
	struct event_header header;
	struct endpoint local;
	struct endpoint peer;
	__u32 reason;
	__u32 segments; /* that were sent again at once */
	__u8 kind;
	__u8 state; /* of the socket, TCP_…; 0 where there is none */
	__u8 known; /* whether the ends are */
	__u8 _pad[5];
};

enum {
	REASONS = 64, /* more than any kernel has */
};

LEDGER(struct tcp_trouble_row, REASONS * 4);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
	__type(value, struct tcp_trouble_event);
} events SEC(".maps");

/* how many arguments tracepoints have: tcp_send_reset has a reason since 6.10, tcp_retransmit_skb an error since 6.15 */
const volatile __u32 send_reset_args = 2;
const volatile __u32 retransmit_args = 2;

/* by kind: whether anybody wants a record */
volatile bool kinds_recorded[4];

/* What happened, and to whom. */
struct tcp_trouble {
	struct socket_owner *known;
	struct sock *sk;
	__u32 netns;
	__u32 reason;
	__u32 segments;
	__u8 kind;
	__u8 state;
	bool filtered;
	__u8 _pad;
};

static __always_inline __u32 tcp_trouble_kind(const struct tcp_trouble_row *row)
{
	return (row->kind & 3) * REASONS + (row->reason & (REASONS - 1));
}

/* Counts it; returns room for its record, or NULL if there is to be none. */
static __always_inline struct tcp_trouble_event *tcp_trouble_count(const struct tcp_trouble *trouble)
{
	struct tcp_trouble_row row = { .kind = trouble->kind, .reason = trouble->reason };
	struct socket_owner *known = trouble->known;
	struct tally amount = { .count = 1, .sum = trouble->segments };
	struct tcp_trouble_event *event;

	if ((known && known->own) || !in_scope(trouble->netns) || trouble->filtered) {
		ledger_count(filtered);
		return 0;
	}
	if (known) {
		row_owner_set(&row.who, &known->owner);
		ledger_charge(&known->owner, row.kind, 0);
	}
	ledger_add(&row, amount, tcp_trouble_kind(&row));
	if (!kinds_recorded[row.kind & 3]) {
		ledger_count(counted);
		return 0;
	}
	if (!ledger_admits(&row))
		return 0;
	event = ring_reserve(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.timestamp_ns = bpf_ktime_get_ns();
	event->header.netns = trouble->netns;
	if (known)
		event->header.owner = known->owner;
	event->reason = trouble->reason;
	event->segments = trouble->segments;
	event->kind = trouble->kind;
	event->state = trouble->state;
	return event;
}

/* The ends of a connection, as its socket knows them: of one that is closed already, too. */
static __always_inline void tcp_trouble_ends(struct tcp_trouble_event *event, struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	if (!tcp)
		return;
	endpoints_of(sk, bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport), &event->local, &event->peer);
	event->known = 1;
}

/* The ends as the segment tells them that a reset answers. */
static __always_inline void tcp_trouble_answered(struct tcp_trouble_event *event, struct sk_buff *skb)
{
	struct packet_headers headers = {};
	struct packet_shape shape;

	packet_locate(&shape, skb);
	packet_read(&headers, &shape);
	if (!(headers.known & PACKET_PORTS))
		return;
	event->local = headers.destination;
	event->peer = headers.source;
	event->known = 1;
}

/*
 * What filters are asked about is a connection: by its socket, by the segment that a reset answers, or by the request for
 * it.
 */
static __always_inline bool tcp_trouble_leaves_out(const struct endpoint *local, const struct endpoint *peer,
						   bool are_known, const struct socket_owner *known)
{
	return filter_leaves_out(known ? &known->owner : 0, local, peer,
				 are_known ? filter_about(known ? known->role : ROLE_UNKNOWN) : 0);
}

static __noinline int tcp_trouble_filtered(struct sock *sk, const struct socket_owner *known)
{
	struct endpoint local = {}, peer = {};
	struct tcp_sock *tcp = 0;

	if (sk)
		tcp = bpf_skc_to_tcp_sock(sk);
	if (tcp)
		endpoints_of(sk, bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport), &local, &peer);
	return tcp_trouble_leaves_out(&local, &peer, tcp, known);
}

static __noinline int tcp_trouble_answer_filtered(struct sk_buff *skb, const struct socket_owner *known)
{
	struct packet_headers headers = {};
	struct packet_shape shape;

	packet_locate(&shape, skb);
	packet_read(&headers, &shape);
	return tcp_trouble_leaves_out(&headers.destination, &headers.source, headers.known & PACKET_PORTS, known);
}

static __noinline int tcp_trouble_request_filtered(struct request_sock *request, const struct socket_owner *known)
{
	struct endpoint local, peer;

	endpoints_of((struct sock *)request, request->__req_common.skc_num, &local, &peer);
	return tcp_trouble_leaves_out(&local, &peer, true, known);
}

SEC("tp_btf/tcp_retransmit_skb")
int tcp_trouble_retransmit(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];
	struct tcp_trouble trouble = { .kind = TROUBLE_RETRANSMIT, .sk = sk };
	struct tcp_trouble_event *event;

	if (retransmit_args >= 3 && (int)ctx[2]) /* it could not be sent */
		return 0;
	trouble.known = owner_find(sk);
	trouble.netns = netns_of_socket(sk);
	trouble.filtered = filters && tcp_trouble_filtered(sk, trouble.known);
	trouble.state = sk->__sk_common.skc_state;
	trouble.segments = *(__u16 *)((void *)skb + bpf_core_field_offset(skb->cb) +
				      bpf_core_field_offset(struct tcp_skb_cb, tcp_gso_segs));
	event = tcp_trouble_count(&trouble);
	if (!event)
		return 0;
	tcp_trouble_ends(event, sk);
	ring_submit(event);
	return 0;
}

/* The answer to a connection request; its socket is the listener. */
SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(tcp_trouble_synack, struct sock *sk, struct request_sock *request)
{
	struct tcp_trouble trouble = { .kind = TROUBLE_RETRANSMIT, .sk = sk, .segments = 1, .state = TCP_NEW_SYN_RECV };
	struct tcp_trouble_event *event;

	trouble.known = owner_find(sk);
	trouble.netns = netns_of_socket(sk);
	trouble.filtered = filters && tcp_trouble_request_filtered(request, trouble.known);
	event = tcp_trouble_count(&trouble);
	if (!event)
		return 0;
	endpoints_of((struct sock *)request, request->__req_common.skc_num, &event->local, &event->peer);
	event->known = 1;
	ring_submit(event);
	return 0;
}

SEC("tp_btf/tcp_send_reset")
int tcp_trouble_reset_sent(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];
	struct tcp_trouble trouble = { .kind = TROUBLE_RESET_SENT, .sk = sk };
	bool answers = skb && packet_is(skb);
	struct tcp_trouble_event *event;

	if (sk) {
		trouble.known = owner_find(sk);
		trouble.netns = netns_of_socket(sk);
		trouble.state = sk->__sk_common.skc_state;
	}
	if (!trouble.netns && skb) /* kernels that know of no NULL here leave the question above out */
		trouble.netns = skb->dev->nd_net.net->ns.inum;
	if (send_reset_args >= 3)
		trouble.reason = ctx[2];
	if (filters && answers)
		trouble.filtered = tcp_trouble_answer_filtered(skb, trouble.known);
	else if (filters)
		trouble.filtered = tcp_trouble_filtered(sk, trouble.known);
	event = tcp_trouble_count(&trouble);
	if (!event)
		return 0;
	if (answers)
		tcp_trouble_answered(event, skb);
	else if (sk)
		tcp_trouble_ends(event, sk);
	ring_submit(event);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(tcp_trouble_reset_received, struct sock *sk)
{
	struct tcp_trouble trouble = { .kind = TROUBLE_RESET_RECEIVED, .sk = sk };
	struct tcp_trouble_event *event;

	trouble.known = owner_find(sk);
	trouble.netns = netns_of_socket(sk);
	trouble.filtered = filters && tcp_trouble_filtered(sk, trouble.known);
	trouble.state = sk->__sk_common.skc_state;
	event = tcp_trouble_count(&trouble);
	if (!event)
		return 0;
	tcp_trouble_ends(event, sk);
	ring_submit(event);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
