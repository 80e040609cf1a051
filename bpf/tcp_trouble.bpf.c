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
#include "include/argument.h"
#include "include/endpoint.h"
#include "include/filter.h"
#include "include/owner.h"
#include "include/packet.h"
#include "include/scope.h"
#include "include/tcp_trouble_event.h"

/* how many arguments tracepoints have: tcp_send_reset has a reason since 6.10, tcp_retransmit_skb an error since 6.15 */
const volatile __u32 send_reset_args = 2;
const volatile __u32 retransmit_args = 2;

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
	struct tcp_trouble_event *event;
	bool answers;

	if (!is_there(sk))
		sk = 0;
	if (!is_there(skb))
		skb = 0;
	answers = skb && packet_is(skb);
	if (sk) {
		trouble.known = owner_find(sk);
		trouble.netns = netns_of_socket(sk);
		trouble.state = sk->__sk_common.skc_state;
	}
	if (!sk && skb)
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
