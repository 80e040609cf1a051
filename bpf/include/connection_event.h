/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_event.h - what connection.bpf.c records of a TCP connection, and where it is counted and recorded
 */
#ifndef KERNTAP_CONNECTION_EVENT_H
#define KERNTAP_CONNECTION_EVENT_H

#include "connection_count.h"
#include "connection_row.h"
#include "connection_verdict.h"
#include "endpoint.h"
#include "event.h"
#include "ring.h"

/* How a connection ended, and which end was the first to say so. */
enum ending {
	ENDING_FIN = 1,
	ENDING_RESET = 2,
	ENDING_TIMEOUT = 3,
	ENDING_ERROR = 4,
	ENDING_HERE = 1 << 4,
	ENDING_THERE = 1 << 5,
};

struct connection_event {
	struct event_header header;
	__u64 duration_ns; /* of the connect, or of the connection; 0: not known */
	struct traffic traffic;
	struct endpoint local;
	struct endpoint peer;
	__s32 error; /* errno; 0 of a failed connect: the caller gave up; or ERROR_UNSEEN */
	__u32 closer_pid; /* of the process that ended it; 0: the owner, or not known */
	char closer[16];
	__u32 dropped; /* packets that a listener dropped since that was last told */
	__u32 waiting; /* connections that nobody has accepted yet, and how many may before its queue is full */
	__u32 limit;
	__u8 outcome;
	__u8 role;
	__u8 attribution;
	__u8 ending;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 _pad[7];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct connection_event);
} events SEC(".maps");

static __always_inline __u8 connection_ending(struct sock *sk, const struct connection_end *end)
{
	__u8 who, how = ENDING_FIN;

	if (end->state == TCP_TIME_WAIT)
		who = 0;
	else if (end->state == TCP_FIN_WAIT1 || end->state == TCP_FIN_WAIT2 || end->state == TCP_CLOSING)
		who = ENDING_HERE;
	else if (end->state == TCP_CLOSE_WAIT || end->state == TCP_LAST_ACK || traffic_ended_there(sk->__sk_common.skc_flags))
		who = ENDING_THERE;
	else
		who = end->error ? ENDING_THERE : ENDING_HERE;
	if (end->error == ECONNRESET || end->error == EPIPE)
		how = ENDING_RESET;
	else if (end->error == ETIMEDOUT)
		return ENDING_TIMEOUT;
	else if (end->error)
		return ENDING_ERROR;
	else if (end->state == TCP_ESTABLISHED || end->state == TCP_CLOSE_WAIT)
		how = ENDING_RESET; /* with data that nobody read, or without the wish to wait */
	return who | how;
}

static __always_inline __u16 connection_local_port(struct tcp_sock *tcp)
{
	return tcp ? bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport) : 0;
}

static __noinline int connection_record(struct sock *sk, struct socket_owner *known, const struct connection_end *end,
					const struct traffic *traffic)
{
	struct connection_event *event = ring_reserve(&events, sizeof(*event));

	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.timestamp_ns = end->now ? end->now : bpf_ktime_get_ns();
	event->header.netns = netns_of_socket(sk);
	if (known) {
		event->header.owner = known->owner;
		event->attribution = known->attribution;
		event->closer_pid = known->closer_pid;
		__builtin_memcpy(event->closer, known->closer, sizeof(event->closer));
	}
	endpoints_of(sk, connection_local_port(bpf_skc_to_tcp_sock(sk)), &event->local, &event->peer);
	event->duration_ns = end->duration_ns;
	event->error = end->error;
	event->outcome = end->outcome;
	event->role = end->role;
	event->protocol = IPPROTO_TCP;
	if (end->outcome == OUTCOME_CLOSED) {
		event->traffic = *traffic;
		event->ending = connection_ending(sk, end);
	}
	ring_submit(event);
	return 0;
}

/* Counts what happened in its row. Whether it is to be recorded. */
static __noinline int connection_report_row(struct sock *sk, struct socket_owner *known, const struct connection_end *end,
					    const struct traffic *traffic)
{
	struct connection_row row = {
		.error = end->error,
		.family = connection_family(sk),
		.outcome = end->outcome,
		.role = end->role,
		.active = end->active,
		.protocol = IPPROTO_TCP,
	};

	if (known)
		row_owner_set(&row.who, &known->owner);
	if (rows_by & ROWS_BY_PORT)
		row.port = end->role == ROLE_CLIENT ? bpf_ntohs(sk->__sk_common.skc_dport) :
						      connection_local_port(bpf_skc_to_tcp_sock(sk));
	return connection_count(&row, known, end, traffic);
}

/* Counts what happened, measures how long it took and, within the throttle, records it. */
static __noinline int connection_report(struct sock *sk, struct socket_owner *known, struct connection_end *end)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct traffic traffic = {};
	struct cached_row *cached;
	bool recorded;
	__u32 key;

	if (unlikely(connection_left_out(sk, known, end->role))) {
		ledger_count(filtered);
		return 0;
	}
	/*
	 * There was no port, or the one that was asked for has such a connection: the synchronous failure that gets as far as
	 * SYN_SENT. The socket never sent anything then, not even in an earlier life.
	 */
	if (unlikely(end->outcome == OUTCOME_FAILED) && !end->error &&
	    (!connection_local_port(tcp) || (tcp && !tcp->write_seq)))
		end->error = EADDRNOTAVAIL;
	if (end->outcome != OUTCOME_OPENED && tcp)
		traffic_read(&traffic, tcp, end->role == ROLE_CLIENT, end->state);
	cached = connection_again(&key, known, end, connection_family(sk));
	if (likely(cached))
		recorded = connection_count_in(cached, key, known, end, &traffic);
	else
		recorded = connection_report_row(sk, known, end, &traffic);
	if (unlikely(recorded))
		connection_record(sk, known, end, &traffic);
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
