/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_connect.h - connects that end at once: TCP's that fail before anything is sent, and UDP's
 *
 * No route, no permission, no address: the socket never leaves CLOSE. The hooks fire when the kernel's connect returns, in
 * the process that called it. An attempt that did leave CLOSE has its outcome by the changes of its state.
 */
#ifndef KERNTAP_CONNECTION_CONNECT_H
#define KERNTAP_CONNECTION_CONNECT_H

#include "connection_event.h"
#include "memory.h"
#include "process.h"

struct connect_call {
	struct owner owner;
	struct endpoint local;
	struct endpoint peer;
	__u64 duration_ns; /* 0: not known */
	__u32 netns;
	__s32 error;
	__u8 protocol;
	__u8 _pad[7];
};

/* A sockaddr_in or sockaddr_in6: family and port, then the address. */
static __always_inline void connect_peer(struct connect_call *call, const void *address)
{
	__u32 words[7] = {};

	if (!memory_read(words, 4, address))
		return;
	if ((words[0] & 0xffff) == AF_INET) {
		endpoint_set4(&call->peer, words[1], bpf_ntohs(words[0] >> 16));
		return;
	}
	if ((words[0] & 0xffff) != AF_INET6 || !memory_read(words, 7, address))
		return;
	for (int i = 0; i < 4; i++)
		call->peer.address[i] = words[2 + i];
	call->peer.port = bpf_ntohs(words[0] >> 16);
}

static __always_inline bool connect_is_ipv6(const struct connect_call *call)
{
	return call->peer.address[0] || call->peer.address[1] || call->peer.address[2] != bpf_htonl(0xffff);
}

static __always_inline void connect_record(const struct connect_call *call)
{
	struct connection_event *event = ring_reserve(&events, sizeof(*event));

	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.timestamp_ns = bpf_ktime_get_ns();
	event->header.netns = call->netns;
	event->header.owner = call->owner;
	event->duration_ns = call->duration_ns;
	event->local = call->local;
	event->peer = call->peer;
	event->error = call->error;
	event->outcome = call->error ? OUTCOME_FAILED : OUTCOME_OPENED;
	event->role = ROLE_CLIENT;
	event->protocol = call->protocol;
	ring_submit(event);
}

static __always_inline bool connect_filtered(const struct connect_call *call)
{
	return filter_leaves_out(&call->owner, &call->local, &call->peer, filter_about(ROLE_CLIENT));
}

static __noinline int connect_report(struct connect_call *call)
{
	struct connection_row row = {};
	struct measures *measures;

	if ((self_tgid && call->owner.pid == self_tgid) || !in_scope(call->netns) ||
	    (filters && connect_filtered(call))) {
		ledger_count(filtered);
		return 0;
	}
	row_owner_set(&row.who, &call->owner);
	row.error = call->error;
	row.family = connect_is_ipv6(call) ? AF_INET6 : AF_INET;
	row.outcome = call->error ? OUTCOME_FAILED : OUTCOME_OPENED;
	row.role = ROLE_CLIENT;
	row.protocol = call->protocol;
	if (rows_by & ROWS_BY_PORT)
		row.port = call->peer.port;
	if (call->protocol == IPPROTO_TCP) {
		ledger_charge(&call->owner, 0, 0);
		measures = call->duration_ns ? ledger_measures(&row, OUTCOME_FAILED) : 0;
		if (measures)
			distribution_add(&measures->first, call->duration_ns);
	}
	connection_tally(&row);
	if (ledger_admits(&row))
		connect_record(call);
	return 0;
}

/* An attempt that was sent is told by its states. Which one that was is noted, so that the next is not taken for it. */
static __always_inline bool connect_was_sent(struct sock *sk)
{
	struct socket_owner *known = owner_kept(sk);

	if (!known || !known->sent)
		return false;
	known->sent = false;
	return true;
}

static __always_inline int connect_failed(struct sock *sk, const void *address, int result)
{
	struct connect_call call = { .error = -result, .protocol = IPPROTO_TCP, .netns = netns_of_socket(sk) };

	owner_set_current(&call.owner);
	connect_peer(&call, address);
	return connect_report(&call);
}

static __always_inline int connect_returned(struct sock *sk, const void *address, int result)
{
	if (sk->sk_protocol != IPPROTO_TCP || connect_was_sent(sk) || result >= 0)
		return 0;
	return connect_failed(sk, address, result);
}

/* An IPv6 socket passes here too, if its peer is IPv4-mapped, and then returns from the next one. */
SEC("fexit/tcp_v4_connect")
int BPF_PROG(connection_connect4, struct sock *sk, void *address, int length, int result)
{
	return sk->__sk_common.skc_family == AF_INET ? connect_returned(sk, address, result) : 0;
}

SEC("fexit/tcp_v6_connect")
int BPF_PROG(connection_connect6, struct sock *sk, void *address, int length, int result)
{
	return connect_returned(sk, address, result);
}

/* A cgroup's program may forbid it; nothing is sent then. */
SEC("fexit/tcp_v4_pre_connect")
int BPF_PROG(connection_forbidden4, struct sock *sk, void *address, int length, int result)
{
	return result < 0 ? connect_returned(sk, address, result) : 0;
}

SEC("fexit/tcp_v6_pre_connect")
int BPF_PROG(connection_forbidden6, struct sock *sk, void *address, int length, int result)
{
	return result < 0 ? connect_returned(sk, address, result) : 0;
}

/* UDP sends nothing: its connect succeeds or fails at once. */
static __always_inline int connect_udp(struct sock *sk, const void *address, int result)
{
	struct connect_call call = { .error = -result, .protocol = IPPROTO_UDP, .netns = netns_of_socket(sk) };

	if (sk->sk_protocol != IPPROTO_UDP)
		return 0;
	owner_set_current(&call.owner);
	connect_peer(&call, address);
	if (!result)
		endpoints_of(sk, sk->__sk_common.skc_num, &call.local, &call.peer);
	return connect_report(&call);
}

SEC("fexit/__ip4_datagram_connect")
int BPF_PROG(connection_udp4, struct sock *sk, void *address, int length, int result)
{
	return sk->__sk_common.skc_family == AF_INET ? connect_udp(sk, address, result) : 0;
}

SEC("fexit/__ip6_datagram_connect")
int BPF_PROG(connection_udp6, struct sock *sk, void *address, int length, int result)
{
	return connect_udp(sk, address, result);
}

#endif /* KERNTAP_CONNECTION_CONNECT_H */
