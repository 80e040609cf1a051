/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * traffic.h - what a connection has carried
 *
 * The kernel's counters hold more than the payload: bytes_acked counts a client's SYN and this end's FIN once they are
 * acknowledged, bytes_received the other end's FIN.
 */
#ifndef KERNTAP_TRAFFIC_H
#define KERNTAP_TRAFFIC_H

#include <bpf/bpf_core_read.h>
#include "kernel.h"
#include "memory.h"

struct traffic {
	__u64 sent;	/* bytes of payload that the other end has acknowledged */
	__u64 received; /* bytes of payload */
	__u32 segments_out;
	__u32 segments_in;
	__u32 retransmits; /* segments */
	__u32 rtt_us;	   /* smoothed; 0: not measured */
};

/* The fields of a socket that its traffic is told by. */
struct traffic_fields {
	__u64 acked;
	__u64 received;
	__u64 flags;
	__u32 una;
	__u32 write_seq;
	__u32 out;
	__u32 in;
	__u32 retransmits;
	__u32 srtt_us; /* times eight */
};

/* The other end has said that it sends no more. */
static __always_inline bool traffic_ended_there(__u64 flags)
{
	return flags >> bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 1;
}

/* GET(field) reads a field of the socket. */
#define TRAFFIC_FIELDS(fields, GET)                                                                                    \
	do {                                                                                                           \
		(fields)->acked = GET(bytes_acked);                                                                    \
		(fields)->received = GET(bytes_received);                                                              \
		(fields)->flags = GET(inet_conn.icsk_inet.sk.__sk_common.skc_flags);                                   \
		(fields)->una = GET(snd_una);                                                                          \
		(fields)->write_seq = GET(write_seq);                                                                  \
		(fields)->out = GET(segs_out);                                                                         \
		(fields)->in = GET(segs_in);                                                                           \
		(fields)->retransmits = GET(total_retrans);                                                            \
		(fields)->srtt_us = GET(srtt_us);                                                                      \
	} while (0)

/* state is the last one before CLOSE, or the present one. */
static __always_inline void traffic_of(struct traffic *traffic, const struct traffic_fields *fields, bool client, __u8 state)
{
	bool ended_here = state == TCP_FIN_WAIT2 || state == TCP_TIME_WAIT ||
			  ((state == TCP_FIN_WAIT1 || state == TCP_CLOSING || state == TCP_LAST_ACK) &&
			   fields->una == fields->write_seq);
	__u64 beyond = (__u64)client + ended_here;

	traffic->sent = fields->acked - (fields->acked < beyond ? fields->acked : beyond);
	traffic->received = fields->received - (fields->received && traffic_ended_there(fields->flags));
	traffic->segments_out = fields->out;
	traffic->segments_in = fields->in;
	traffic->retransmits = fields->retransmits;
	traffic->rtt_us = fields->srtt_us >> 3;
}

static __always_inline void traffic_read(struct traffic *traffic, struct tcp_sock *tcp, bool client, __u8 state)
{
	struct traffic_fields fields = {};

#define TYPED(field) (tcp->field)
	TRAFFIC_FIELDS(&fields, TYPED);
#undef TYPED
	traffic_of(traffic, &fields, client, state);
}

/* The same of a socket that is known by its address alone, where memory is readable. */
static __always_inline void traffic_read_at(struct traffic *traffic, __u64 address, bool client, __u8 state)
{
	struct tcp_sock *tcp = (void *)address;
	struct traffic_fields fields = {};

	if (bpf_rdonly_cast) {
		tcp = bpf_rdonly_cast(tcp, bpf_core_type_id_kernel(struct tcp_sock));
		traffic_read(traffic, tcp, client, state);
		return;
	}
#define PROBED(field) BPF_CORE_READ(tcp, field)
	TRAFFIC_FIELDS(&fields, PROBED);
#undef PROBED
	traffic_of(traffic, &fields, client, state);
}

/*
 * The state that a connection was in before CLOSE, when that change was skipped: the end of what is sent takes one number
 * beyond the payload. TIME_WAIT: both ends have said that they send no more, and it is not known which was the first.
 */
static __always_inline __u8 traffic_last_state(struct tcp_sock *tcp, bool client)
{
	bool there = traffic_ended_there(tcp->inet_conn.icsk_inet.sk.__sk_common.skc_flags);
	bool here = tcp->snd_una == tcp->write_seq &&
		    tcp->bytes_acked > (__u64)client + tcp->bytes_sent - tcp->bytes_retrans;

	if (here)
		return there ? TCP_TIME_WAIT : TCP_FIN_WAIT2;
	return there ? TCP_CLOSE_WAIT : TCP_ESTABLISHED;
}

#endif /* KERNTAP_TRAFFIC_H */
