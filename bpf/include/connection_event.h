/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_event.h - what connection.bpf.c counts and records of a TCP connection
 */
#ifndef KERNTAP_CONNECTION_EVENT_H
#define KERNTAP_CONNECTION_EVENT_H

#include "distribution.h"
#include "endpoint.h"
#include "event.h"
#include "ledger.h"
#include "owner.h"
#include "ring.h"
#include "scope.h"
#include "throttle.h"

enum outcome {
	OUTCOME_OPENED = 1,
	OUTCOME_FAILED = 2,
	OUTCOME_CLOSED = 3,
};

/* How much of a socket's life has been counted. Sockets that listen, and those they hand out, begin without. */
enum phase {
	PHASE_NONE = 0,
	PHASE_CONNECTING = 1,
	PHASE_ESTABLISHED = 2,
	PHASE_ENDED = 3,
};

struct connection_row {
	struct row_owner who;
	__s32 error;
	__u16 port; /* of the server, where rows tell ports apart */
	__u8 family;
	__u8 outcome;
	__u8 role;
	__u8 _pad[7];
};

/* the overflow's kind is outcome, role, family and error in 2, 2, 1 and 8 bits; the spill's is the outcome */
LEDGER(struct connection_row, 8192);
DISTRIBUTIONS(struct connection_row, 4);

/* for whoever asked for it: it multiplies rows */
const volatile bool rows_by_port;

struct connection_event {
	struct event_header header;
	__u64 duration_ns; /* of the connect, or of the connection; 0: not known */
	struct endpoint local;
	struct endpoint peer;
	__s32 error; /* errno; 0 of a failed connect: the caller gave up */
	__u8 outcome;
	__u8 role;
	__u8 _pad[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct connection_event);
} events SEC(".maps");

/* What happened to a connection at one of its ends. */
struct connection_end {
	__u64 now;
	__u64 duration_ns;
	__s32 error;
	__u8 outcome;
	__u8 role;
	__u8 _pad[2];
};

/* IPv4-mapped IPv6 is IPv4. */
static __always_inline __u8 connection_family(struct sock *sk)
{
	const struct in6_addr *peer = &sk->__sk_common.skc_v6_daddr;

	if (sk->__sk_common.skc_family != AF_INET6)
		return AF_INET;
	if (!peer->in6_u.u6_addr32[0] && !peer->in6_u.u6_addr32[1] && peer->in6_u.u6_addr32[2] == bpf_htonl(0xffff))
		return AF_INET;
	return AF_INET6;
}

static __always_inline __u32 connection_kind(const struct connection_row *row)
{
	__u32 error = row->error >= 0 && row->error < 0xff ? row->error : 0xff;

	return (row->outcome & 3) | (row->role & 3) << 2 | (row->family == AF_INET6) << 4 | error << 5;
}

static __always_inline void connection_record(struct sock *sk, struct socket_owner *known,
					      const struct connection_end *end, __u16 local_port)
{
	struct connection_event *event = ring_reserve(&events, sizeof(*event));

	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.timestamp_ns = end->now;
	event->header.netns = netns_of_socket(sk);
	if (known)
		event->header.owner = known->owner;
	endpoints_of(sk, local_port, &event->local, &event->peer);
	event->duration_ns = end->duration_ns;
	event->error = end->error;
	event->outcome = end->outcome;
	event->role = end->role;
	ring_submit(event);
}

/* Counts what happened, measures how long it took and, within the throttle, records it. */
static __noinline int connection_report(struct sock *sk, struct socket_owner *known, struct connection_end *end)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	__u16 local_port = tcp ? bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport) : 0;
	__u32 netns = netns_of_socket(sk);
	struct connection_row row = {};

	if ((known && known->own) || !in_scope(netns) || talks_to_self(netns, sk)) {
		ledger_count(filtered);
		return 0;
	}
	/* a port was never found: the one synchronous failure that gets as far as SYN_SENT */
	if (end->outcome == OUTCOME_FAILED && !end->error && !local_port)
		end->error = EADDRNOTAVAIL;
	if (known)
		row_owner_set(&row.who, &known->owner);
	row.error = end->error;
	row.family = connection_family(sk);
	row.outcome = end->outcome;
	row.role = end->role;
	if (rows_by_port)
		row.port = end->role == ROLE_CLIENT ? bpf_ntohs(sk->__sk_common.skc_dport) : local_port;
	if (end->duration_ns)
		ledger_measure(&row, end->duration_ns, end->outcome & 3);
	if (known && end->role == ROLE_CLIENT && end->outcome != OUTCOME_CLOSED)
		ledger_charge(&known->owner, 0, 0);
	ledger_tally(&row, connection_kind(&row));
	if (ledger_admits(&row))
		connection_record(sk, known, end, local_port);
	return 0;
}

/* The error that lies last in the socket's error queue, 0 if the queue is empty. */
static __always_inline __s32 connection_queued_error(struct sock *sk)
{
	struct sk_buff *last = sk->sk_error_queue.prev;

	if (!sk->sk_error_queue.qlen)
		return 0;
	return *(__u32 *)((void *)last + bpf_core_field_offset(last->cb) +
			  bpf_core_field_offset(struct sock_exterr_skb, ee.ee_errno));
}

#endif /* KERNTAP_CONNECTION_EVENT_H */
