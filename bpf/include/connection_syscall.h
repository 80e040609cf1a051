/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_syscall.h - connects that end at once, where programs cannot be attached to functions
 *
 * The hooks are the two ends of the system call connect, in the process that calls it. They tax every system call of the
 * host, so they are attached for whoever asked for it. What begins is noted by the task; what has failed when the call
 * returns and was not sent meanwhile has no other outcome. Nothing here has a type: all is read by its address.
 */
#ifndef KERNTAP_CONNECTION_SYSCALL_H
#define KERNTAP_CONNECTION_SYSCALL_H

#include "connection_connect.h"
#include "connection_older.h"

/* A connect that a task is in. */
struct connect_attempt {
	__u64 socket; /* its struct sock */
	__u64 peer;   /* in the memory of the process */
	__u64 since_ns;
	__u32 fd;
	__u16 protocol;
	__u16 _pad;
};

/*
 * By pid_tgid. The oldest leave where there is no more room: what waits that long was sent, and is not asked about.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct connect_attempt);
} attempts SEC(".maps");

/* The struct socket of an open file of the running process, NULL if it is none. */
static __always_inline void *attempt_socket(__u32 fd)
{
	void *files = memory_pointer(memory_field(bpf_get_current_task(), struct task_struct, files));
	void *table = memory_pointer(memory_field(files, struct files_struct, fdt));
	void *slots, *file, *inode;

	if (fd >= memory_number(memory_field(table, struct fdtable, max_fds), sizeof(__u32)))
		return 0;
	slots = memory_pointer(memory_field(table, struct fdtable, fd));
	file = memory_pointer(slots + fd * sizeof(void *));
	if (!file)
		return 0;
	inode = memory_pointer(memory_field(file, struct file, f_inode));
	if ((memory_number(memory_field(inode, struct inode, i_mode), sizeof(__u16)) & S_IFMT) != S_IFSOCK)
		return 0;
	return memory_pointer(memory_field(file, struct file, private_data));
}

/* Notes a connect that begins: UDP's, or TCP's of a socket that is not connected nor about to be. */
static __always_inline bool attempt_begins(struct connect_attempt *attempt)
{
	void *socket = attempt_socket(attempt->fd), *sk;

	if (!socket)
		return false;
	sk = memory_pointer(memory_field(socket, struct socket, sk));
	attempt->socket = (__u64)sk;
	attempt->protocol = memory_number(memory_field(sk, struct sock, sk_protocol), sizeof(__u16));
	switch (memory_number(memory_field(sk, struct sock_common, skc_family), sizeof(__u16))) {
	case AF_INET:
	case AF_INET6:
		break;
	default:
		return false;
	}
	if (attempt->protocol == IPPROTO_UDP)
		return true;
	return (attempt->protocol == IPPROTO_TCP || attempt->protocol == IPPROTO_MPTCP) &&
	       memory_number(memory_field(socket, struct socket, state), sizeof(__u32)) == SS_UNCONNECTED &&
	       memory_number(memory_field(sk, struct sock_common, skc_state), sizeof(__u8)) == TCP_CLOSE;
}

SEC("tracepoint/syscalls/sys_enter_connect")
int connection_calls(struct trace_event_raw_sys_enter *ctx)
{
	struct connect_attempt attempt = { .peer = ctx->args[1], .fd = ctx->args[0] };
	__u64 task = bpf_get_current_pid_tgid();

	if (!attempt_begins(&attempt)) {
		bpf_map_delete_elem(&attempts, &task);
		return 0;
	}
	attempt.since_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&attempts, &task, &attempt, BPF_ANY);
	return 0;
}

/* The states of its socket tell what became of an attempt that was sent. */
static __always_inline bool attempt_was_sent(const struct connect_attempt *attempt)
{
	__u64 address = attempt->socket;
	struct socket_owner *known;

	if (attempt->protocol == IPPROTO_MPTCP)
		address = (__u64)connection_subflow((void *)address);
	known = bpf_map_lookup_elem(&owners, &address);
	return known && known->attempt_ns >= attempt->since_ns;
}

/* Whether a result says that a connect of TCP has failed, rather than that it goes on, or that there was nothing to try. */
static __always_inline bool attempt_failed(__s32 result)
{
	switch (-result) {
	case EINTR:
	case EBADF:
	case EFAULT:
	case EISCONN:
	case EALREADY:
	case EINPROGRESS:
	case ERESTARTSYS ... ERESTART_RESTARTBLOCK:
		return false;
	}
	return result < 0;
}

/* The peer, from the process's own memory; false if none is asked for, which undoes a connect of UDP. */
static __always_inline bool attempt_peer(struct connect_call *call, __u64 at)
{
	__u32 words[7] = {};

	if (bpf_probe_read_user(words, 8, (void *)at))
		return true;
	switch (words[0] & 0xffff) {
	case AF_UNSPEC:
		return false;
	case AF_INET:
		endpoint_set4(&call->peer, words[1], bpf_ntohs(words[0] >> 16));
		return true;
	case AF_INET6:
		break;
	default:
		return true;
	}
	bpf_probe_read_user(words, sizeof(words), (void *)at);
	for (int i = 0; i < 4; i++)
		call->peer.address[i] = words[2 + i];
	call->peer.port = bpf_ntohs(words[0] >> 16);
	return true;
}

/* The local end of a UDP socket that is connected now, as long as the file is still that socket. */
static __always_inline void attempt_local(struct connect_call *call, const struct connect_attempt *attempt)
{
	void *socket = attempt_socket(attempt->fd), *sk = (void *)attempt->socket;
	__u32 port = memory_number(memory_field(sk, struct sock_common, skc_num), sizeof(__u16)), words[4] = {};

	if (!socket || memory_pointer(memory_field(socket, struct socket, sk)) != sk)
		return;
	if (memory_number(memory_field(sk, struct sock_common, skc_family), sizeof(__u16)) == AF_INET) {
		endpoint_set4(&call->local, memory_number(memory_field(sk, struct sock_common, skc_rcv_saddr), sizeof(__u32)), port);
		return;
	}
	if (!memory_read(words, 4, memory_field(sk, struct sock_common, skc_v6_rcv_saddr)))
		return;
	for (int i = 0; i < 4; i++)
		call->local.address[i] = words[i];
	call->local.port = port;
}

/* The namespace of a socket, by its address. */
static __always_inline __u32 attempt_netns(const struct connect_attempt *attempt)
{
	void *net = memory_pointer(memory_field(attempt->socket, struct sock_common, skc_net.net));

	return memory_number(memory_field(net, struct net, ns.inum), sizeof(__u32));
}

static __always_inline int attempt_report(const struct connect_attempt *attempt, __s32 result)
{
	struct connect_call call = { .error = -result, .protocol = IPPROTO_TCP };

	if (!attempt_peer(&call, attempt->peer))
		return 0;
	call.netns = attempt_netns(attempt);
	if (attempt->protocol == IPPROTO_UDP) {
		call.protocol = IPPROTO_UDP;
		if (!result)
			attempt_local(&call, attempt);
	} else {
		call.duration_ns = bpf_ktime_get_ns() - attempt->since_ns;
	}
	owner_set_current(&call.owner);
	return connect_report(&call);
}

SEC("tracepoint/syscalls/sys_exit_connect")
int connection_called(struct trace_event_raw_sys_exit *ctx)
{
	__u64 task = bpf_get_current_pid_tgid();
	struct connect_attempt attempt, *noted = bpf_map_lookup_elem(&attempts, &task);
	__s32 result = ctx->ret;

	if (!noted)
		return 0;
	attempt = *noted;
	bpf_map_delete_elem(&attempts, &task);
	if (result ? !attempt_failed(result) : attempt.protocol != IPPROTO_UDP)
		return 0;
	if (attempt.protocol != IPPROTO_UDP && attempt_was_sent(&attempt))
		return 0;
	return attempt_report(&attempt, result);
}

#endif /* KERNTAP_CONNECTION_SYSCALL_H */
