/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection - TCP connections opened, failed and closed
 *
 * The hook fires at every change of a TCP socket's state. CLOSE to SYN_SENT and CLOSE to LISTEN happen in the process
 * that asked for it: its identity is stored with the socket there. All later changes may happen in whatever context
 * the packet arrived in, so pid and command of an event always come from the socket's storage, never from the task.
 */
#include "include/kernel.h"
#include <bpf/bpf_tracing.h>
#include "include/endpoint.h"
#include "include/event.h"
#include "include/ledger.h"
#include "include/owner.h"
#include "include/scope.h"

enum outcome {
	OUTCOME_OPENED = 1,
	OUTCOME_FAILED = 2,
	OUTCOME_CLOSED = 3,
};

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

static __always_inline void connection_emit(struct sock *sk, struct socket_owner *known, __u64 now, __u8 outcome,
					    __u8 role, __s32 error)
{
	struct connection_event *event;
	struct endpoint local, peer;
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	__u16 local_port = tcp ? bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport) : 0;
	__u32 netns = netns_of_socket(sk);

	endpoints_of(sk, local_port, &local, &peer);
	ledger_count(seen);
	if ((known && known->own) || !in_scope(netns) || talks_to_self(netns, &local, &peer)) {
		ledger_count(filtered);
		return;
	}
	event = ledger_reserve(&events, sizeof(*event));
	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.timestamp_ns = now;
	event->header.netns = netns;
	if (known) {
		event->header.owner = known->owner;
		if (known->since_ns && !(outcome == OUTCOME_OPENED && role == ROLE_SERVER))
			event->duration_ns = now - known->since_ns;
	}
	event->local = local;
	event->peer = peer;
	/* a port was never found: the one synchronous failure that gets as far as SYN_SENT */
	if (outcome == OUTCOME_FAILED && !error && !local_port)
		error = EADDRNOTAVAIL;
	event->error = error;
	event->outcome = outcome;
	event->role = role;
	ledger_submit(event);
}

/* connect or listen was called, by the process that runs */
static __always_inline void connection_begin(struct sock *sk, __u64 now, __u8 role)
{
	struct socket_owner *known = bpf_sk_storage_get(&owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!known)
		return;
	owner_set_current(&known->owner);
	known->since_ns = role == ROLE_CLIENT ? now : 0;
	known->role = role;
	known->error = 0;
	known->own = self_tgid && known->owner.pid == self_tgid;
}

static __always_inline void connection_established(struct sock *sk, __u64 now, int oldstate)
{
	__u8 role = oldstate == TCP_SYN_RECV ? ROLE_SERVER : ROLE_CLIENT;
	struct socket_owner *known = bpf_sk_storage_get(&owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (known && known->role)
		role = known->role; /* both ends may connect at once: SYN_SENT, SYN_RECV, ESTABLISHED */
	connection_emit(sk, known, now, OUTCOME_OPENED, role, 0);
	if (!known)
		return;
	known->role = role;
	known->since_ns = now;
	known->error = 0;
}

static __always_inline void connection_ended(struct sock *sk, __u64 now, int oldstate)
{
	struct socket_owner *known = bpf_sk_storage_get(&owners, sk, 0, 0);
	bool failed = oldstate == TCP_SYN_SENT || oldstate == TCP_SYN_RECV;
	__u8 role = known ? known->role : ROLE_UNKNOWN;
	__s32 error = sk->sk_err;

	if (!role && failed)
		role = oldstate == TCP_SYN_SENT ? ROLE_CLIENT : ROLE_SERVER;
	if (!error && failed && known)
		error = known->error;
	connection_emit(sk, known, now, failed ? OUTCOME_FAILED : OUTCOME_CLOSED, role, error);
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

/*
 * An ICMP error that arrives while the process is inside connect only goes into the socket's error queue. The process
 * is woken, asks for the error, which takes it from the socket, and closes: without this it would look as if it had
 * given up.
 */
SEC("tp_btf/inet_sk_error_report")
int BPF_PROG(connection_error, struct sock *sk)
{
	struct socket_owner *known;
	__s32 error;

	if (sk->sk_protocol != IPPROTO_TCP || sk->__sk_common.skc_state != TCP_SYN_SENT)
		return 0;
	known = bpf_sk_storage_get(&owners, sk, 0, 0);
	if (!known)
		return 0;
	error = sk->sk_err;
	if (!error)
		error = sk->sk_err_soft;
	if (!error)
		error = connection_queued_error(sk);
	known->error = error;
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(connection_state, struct sock *sk, int oldstate, int newstate)
{
	__u64 now = bpf_ktime_get_ns();

	/* MPTCP sockets pass here too; their subflows, which are TCP, are the connections */
	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (newstate == TCP_SYN_SENT)
		connection_begin(sk, now, ROLE_CLIENT);
	else if (newstate == TCP_LISTEN)
		connection_begin(sk, now, ROLE_SERVER);
	else if (newstate == TCP_ESTABLISHED)
		connection_established(sk, now, oldstate);
	else if (newstate == TCP_CLOSE && oldstate != TCP_CLOSE && oldstate != TCP_LISTEN)
		connection_ended(sk, now, oldstate);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
