/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_event.h - what connection.bpf.c counts and records of a TCP connection
 */
#ifndef KERNTAP_CONNECTION_EVENT_H
#define KERNTAP_CONNECTION_EVENT_H

#include "connection_verdict.h"
#include "distribution.h"
#include "endpoint.h"
#include "event.h"
#include "ledger.h"
#include "owner.h"
#include "ring.h"
#include "throttle.h"
#include "traffic.h"

enum outcome {
	OUTCOME_OPENED = 1,
	OUTCOME_FAILED = 2,
	OUTCOME_CLOSED = 3,
};

/* How much of a socket's life has been counted. Sockets that listen, and those they hand out, begin without. */
enum phase {
	PHASE_NONE = 0,
	PHASE_CONNECTING = 1,
	PHASE_WAITING = 2, /* for somebody to accept it */
	PHASE_FOUND = 3, /* established before kerntap, and not counted yet */
	PHASE_ESTABLISHED = 4,
	PHASE_ENDED = 5,
};

struct connection_row {
	struct row_owner who;
	__s32 error;
	__u16 port; /* of the server, where rows tell ports apart */
	__u8 family;
	__u8 outcome; /* 0: what open connections carried, and the packets that listeners refused */
	__u8 role;
	__u8 active; /* the row's events change how many connections there are */
	__u8 protocol;
	__u8 _pad[5];
};

/*
 * The overflow's kind is outcome, role, family, active, error and whether it is UDP in 2, 2, 1, 1, 7 and 1 bits, the
 * spill's the outcome.
 */
LEDGER(struct connection_row, 16384);
DISTRIBUTIONS(struct connection_row, 4);

/* what the amounts of a row's measures are */
enum {
	AMOUNT_SENT,
	AMOUNT_RECEIVED,
	AMOUNT_SEGMENTS_OUT,
	AMOUNT_SEGMENTS_IN,
};

/* A walk over open connections tells what they carried: not before 5.12, which has atomic operations that fetch. */
const volatile bool open_are_told;

/* for whoever asked for it: it multiplies rows */
const volatile bool rows_by_port;

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
	__s32 error; /* errno; 0 of a failed connect: the caller gave up */
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

/* What happened to a connection at one of its ends. */
struct connection_end {
	__u64 now;
	__u64 duration_ns;
	__s32 error;
	__u8 outcome;
	__u8 role;
	__u8 active;
	__u8 state; /* before it ended */
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
	__u32 error = row->error >= 0 && row->error < 0x7f ? row->error : 0x7f;

	return (row->outcome & 3) | (row->role & 3) << 2 | (row->family == AF_INET6) << 4 | (row->active & 1) << 5 |
	       error << 6 | (row->protocol == IPPROTO_UDP) << 13;
}

static __always_inline __u8 connection_ending(struct sock *sk, const struct connection_end *end)
{
	__u8 who, how = ENDING_FIN;

	if (end->state == TCP_FIN_WAIT1 || end->state == TCP_FIN_WAIT2 || end->state == TCP_CLOSING)
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

static __always_inline void connection_record(struct sock *sk, struct socket_owner *known,
					      const struct connection_end *end, __u16 local_port,
					      const struct traffic *traffic)
{
	struct connection_event *event = ring_reserve(&events, sizeof(*event));

	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.timestamp_ns = end->now;
	event->header.netns = netns_of_socket(sk);
	if (known) {
		event->header.owner = known->owner;
		event->attribution = known->attribution;
	}
	endpoints_of(sk, local_port, &event->local, &event->peer);
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
}

/* Moves what has been counted forward, on whichever CPU that happens, and returns by how much. */
static __always_inline __u64 traffic_advance(__u64 *told, __u64 now)
{
	__u64 before = *(volatile __u64 *)told;

	if (now <= before)
		return 0;
	if (!open_are_told) {
		*told = now;
		return now - before;
	}
	if (__sync_val_compare_and_swap(told, before, now) == before)
		return now - before;
	/* the walk over open connections was faster; it comes here once only */
	before = *(volatile __u64 *)told;
	if (now <= before || __sync_val_compare_and_swap(told, before, now) != before)
		return 0;
	return now - before;
}

/* Counts what a connection carried since it was last told. */
static __always_inline void traffic_tell(struct measures *measures, struct socket_owner *known, const struct traffic *now)
{
	__sync_fetch_and_add(&measures->amounts[AMOUNT_SENT], traffic_advance(&known->told.sent, now->sent));
	__sync_fetch_and_add(&measures->amounts[AMOUNT_RECEIVED], traffic_advance(&known->told.received, now->received));
	__sync_fetch_and_add(&measures->amounts[AMOUNT_SEGMENTS_OUT],
			     traffic_advance(&known->told.segments_out, now->segments_out));
	__sync_fetch_and_add(&measures->amounts[AMOUNT_SEGMENTS_IN],
			     traffic_advance(&known->told.segments_in, now->segments_in));
}

/* Measures an end of a connection, or how long a connect took. */
static __always_inline void connection_measure(struct connection_row *row, struct socket_owner *known,
					       const struct connection_end *end, const struct traffic *traffic)
{
	bool lasted = end->duration_ns && !(known && known->attribution == ATTRIBUTION_HOLDER);
	struct measures *measures;

	if (!lasted && end->outcome != OUTCOME_CLOSED)
		return;
	measures = ledger_measures(row, end->outcome & 3);
	if (!measures)
		return;
	if (lasted)
		distribution_add(&measures->first, end->duration_ns);
	if (end->outcome != OUTCOME_CLOSED)
		return;
	if (traffic->rtt_us)
		distribution_add(&measures->second, traffic->rtt_us * 1000ULL);
	if (known)
		traffic_tell(measures, known, traffic);
}

/* Whether it was this CPU that brought a connection on: the walk over open ones may look at it, too. */
static __always_inline bool phase_advance(struct socket_owner *known, __u32 from, __u32 to)
{
	if (open_are_told)
		return __sync_val_compare_and_swap(&known->phase, from, to) == from;
	known->phase = to;
	return true;
}

/* Ends what is counted of a connection. Whether it was one of the open ones. */
static __always_inline bool phase_end(struct socket_owner *known)
{
	__u32 before = known->phase;

	if (open_are_told)
		before = __sync_lock_test_and_set(&known->phase, PHASE_ENDED);
	else
		known->phase = PHASE_ENDED;
	return before == PHASE_ESTABLISHED;
}

/* Counts a connection that is open and was not among the open ones: what has no record is counted as that. */
static __always_inline void connection_join(struct socket_owner *known, struct connection_row *row)
{
	row_owner_set(&row->who, &known->owner);
	row->outcome = OUTCOME_OPENED;
	row->active = true;
	row->protocol = IPPROTO_TCP;
	if (row->role == ROLE_CLIENT)
		ledger_charge(&known->owner, 0, 0);
	ledger_tally(row, connection_kind(row));
	ledger_count(counted);
}

/* Counts what happened, measures how long it took and, within the throttle, records it. */
static __noinline int connection_report(struct sock *sk, struct socket_owner *known, struct connection_end *end)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	__u16 local_port = tcp ? bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport) : 0;
	struct connection_row row = {};
	struct traffic traffic = {};

	if (connection_left_out(sk, known, end->role)) {
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
	row.active = end->active;
	row.protocol = IPPROTO_TCP;
	if (rows_by_port)
		row.port = end->role == ROLE_CLIENT ? bpf_ntohs(sk->__sk_common.skc_dport) : local_port;
	if (end->outcome == OUTCOME_CLOSED && tcp)
		traffic_read(&traffic, tcp, end->role == ROLE_CLIENT, end->state);
	connection_measure(&row, known, end, &traffic);
	if (known && end->role == ROLE_CLIENT && end->outcome != OUTCOME_CLOSED)
		ledger_charge(&known->owner, 0, 0);
	ledger_tally(&row, connection_kind(&row));
	if (ledger_admits(&row))
		connection_record(sk, known, end, local_port, &traffic);
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
