/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_older.h - the sockets that are older than kerntap
 *
 * Once its hooks are attached, kerntap walks the open files of the processes that it sees (those of its own pid
 * namespace and of the ones inside). Who of several that have a socket open called connect or listen cannot be told
 * afterwards: then they own it together only in what they have in common.
 */
#ifndef KERNTAP_CONNECTION_OLDER_H
#define KERNTAP_CONNECTION_OLDER_H

#include "connection_event.h"
#include "connection_open.h"
#include "process.h"

enum {
	S_IFMT = 0170000, /* include/uapi/linux/stat.h */
	S_IFSOCK = 0140000,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct inode {
	unsigned short i_mode;
};
#pragma clang attribute pop

/* Programs may ask a file for its socket: b60da4955f53 ("bpf: Only provide bpf_sock_from_file with CONFIG_NET"), 5.11. */
const volatile bool files_have_sockets;

/* The connection of an MPTCP socket is its first subflow's. */
static __always_inline struct sock *connection_subflow(struct sock *sk)
{
	if (!bpf_core_field_exists(struct mptcp_sock, first))
		return 0;
	if (bpf_rdonly_cast)
		return ((struct mptcp_sock *)bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct mptcp_sock)))->first;
	return may_probe_read ? BPF_CORE_READ((struct mptcp_sock *)sk, first) : 0;
}

static __always_inline struct sock *connection_socket_of(struct file *file)
{
	struct socket *socket;

	if (files_have_sockets) {
		socket = bpf_sock_from_file(file);
		return socket ? socket->sk : 0;
	}
	if ((file->f_inode->i_mode & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __always_inline void owner_share(struct owner *owner, const struct owner *other)
{
	if (owner->pid == other->pid)
		return;
	owner->pid = 0;
	owner->vpid = 0;
	owner->start_boottime_ns = 0;
	if (owner->cgroup_id != other->cgroup_id)
		owner->cgroup_id = 0;
	for (int i = 0; i < 2; i++)
		if (((__u64 *)owner->command)[i] != ((__u64 *)other->command)[i])
			owner->command[0] = 0;
	if (!owner->command[0])
		__builtin_memset(owner->command, 0, sizeof(owner->command));
	for (int i = 0; i < 4; i++)
		if (((__u64 *)owner->executable)[i] != ((__u64 *)other->executable)[i])
			owner->executable[0] = 0;
	if (!owner->executable[0])
		__builtin_memset(owner->executable, 0, sizeof(owner->executable));
}

/* What is told of a socket before it is known which one it is. */
struct older {
	__u16 protocol;
	__u16 family;
	__u8 state;
	__u8 _pad;
};

static __always_inline void older_read(struct older *older, struct sock *sk)
{
	if (files_have_sockets) {
		older->protocol = sk->sk_protocol;
		older->family = sk->__sk_common.skc_family;
		older->state = sk->__sk_common.skc_state;
	} else {
		older->protocol = BPF_CORE_READ(sk, sk_protocol);
		older->family = BPF_CORE_READ(sk, __sk_common.skc_family);
		older->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	}
}

static __always_inline bool older_is_wanted(const struct older *older)
{
	return (older->protocol == IPPROTO_TCP || older->protocol == IPPROTO_MPTCP) &&
	       (older->family == AF_INET || older->family == AF_INET6) && older->state != TCP_CLOSE;
}

/* What was carried, or refused, before is not this program's to count. */
static __always_inline void older_told(struct socket_owner *new, __u64 address)
{
	struct traffic traffic = {};

	if (new->role == ROLE_SERVER && memory_readable())
		new->refused = open_drops(address);
	if (!phase_is_before_open(life_phase(new->life)) || !memory_readable())
		return;
	traffic_read_at(&traffic, address, false, TCP_ESTABLISHED);
	new->told.sent = traffic.sent;
	new->told.received = traffic.received;
	new->told.segments_out = traffic.segments_out;
	new->told.segments_in = traffic.segments_in;
}

/* Keeps an owner, or what it has in common with the one who is known. */
static __always_inline void older_keep(__u64 address, struct socket_owner *new)
{
	struct socket_owner *known = bpf_map_lookup_elem(&owners, &address);
	long err;

	if (!known) {
		older_told(new, address);
		err = bpf_map_update_elem(&owners, &address, new, BPF_NOEXIST);
		if (err && err != -EEXIST)
			owner_unkept();
	} else if (known->attribution == ATTRIBUTION_HOLDER)
		owner_share(&known->owner, &new->owner);
}

SEC("iter/task_file")
int connection_older(struct bpf_iter__task_file *ctx)
{
	struct socket_owner new = { .attribution = ATTRIBUTION_HOLDER };
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	enum phase phase = PHASE_FOUND;
	struct older older = {};
	struct sock *sk;
	__u64 address;

	if (!task || !file)
		return 0;
	sk = connection_socket_of(file);
	if (!sk)
		return 0;
	older_read(&older, sk);
	if (!older_is_wanted(&older))
		return 0;
	owner_set(&new.owner, task);
	new.own = self_tgid && new.owner.pid == self_tgid;
	new.since_ns = bpf_ktime_get_ns();
	if (older.state == TCP_LISTEN) {
		new.role = ROLE_SERVER;
		phase = PHASE_NONE;
	} else if (older.state == TCP_SYN_SENT) {
		new.role = ROLE_CLIENT;
		phase = PHASE_CONNECTING;
	}
	new.life = life_of(0, phase);
	if (older.protocol == IPPROTO_MPTCP) {
		address = (__u64)connection_subflow(sk);
		if (address)
			older_keep(address, &new);
	} else {
		new.life = life_of(owner_cookie(sk), phase);
		older_keep((__u64)sk, &new);
	}
	return 0;
}

#endif /* KERNTAP_CONNECTION_OLDER_H */
