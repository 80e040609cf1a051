/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * owner.h - who owns a socket
 *
 * The owner is written where the process itself runs (connect, listen) and stays with the socket until the kernel
 * frees it: nothing is collected, no key is used twice. BPF_F_CLONE gives a child of a listener its own listener's
 * owner, under SO_REUSEPORT too. The map is shared by all programs of one kerntap.
 */
#ifndef KERNTAP_OWNER_H
#define KERNTAP_OWNER_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "cgroup.h"
#include "event.h"

enum role {
	ROLE_UNKNOWN = 0,
	ROLE_CLIENT = 1,
	ROLE_SERVER = 2,
};

struct socket_owner {
	struct owner owner;
	__u64 since_ns; /* connect called or connection established; 0: before kerntap */
	__s32 error;	/* errno that the kernel told the process, which takes it away from the socket */
	__u8 role;
	__u8 own;   /* kerntap's own socket */
	__u8 phase; /* how much of the connection's life has been counted, see connection.bpf.c */
	__u8 _pad[1];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct socket_owner);
} owners SEC(".maps");

/* kerntap's own process in the initial pid namespace, whose traffic nobody asked for */
const volatile __u32 self_tgid;

/* A name of up to 31 characters lies inside its dentry; a longer one does not and is left out. */
static __always_inline void owner_executable(struct owner *owner, struct task_struct *leader)
{
	struct dentry *dentry = leader->mm->exe_file->f_path.dentry;
	struct dentry___iname *older = (void *)dentry;

	if (dentry->d_name.len >= sizeof(owner->executable))
		return;
	if (bpf_core_field_exists(dentry->d_shortname))
		__builtin_memcpy(owner->executable, dentry->d_shortname.string, sizeof(owner->executable));
	else
		__builtin_memcpy(owner->executable, older->d_iname, sizeof(owner->executable));
	owner->executable[sizeof(owner->executable) - 1] = 0;
}

static __always_inline __u32 owner_vpid(struct task_struct *leader)
{
	struct pid *pid = leader->thread_pid;

	if (bpf_core_field_size(pid->numbers) != 0)
		return 0;
	switch (pid->level) {
	case 1:
		return pid->numbers[1].nr;
	case 2:
		return pid->numbers[2].nr;
	case 3:
		return pid->numbers[3].nr;
	default:
		return 0;
	}
}

/* Describes the running process. Call it only where the process itself asks for what happens. */
static __always_inline void owner_set_current(struct owner *owner)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_struct *leader = task->group_leader;

	__builtin_memset(owner, 0, sizeof(*owner));
	if (task->flags & PF_KTHREAD) {
		__builtin_memcpy(owner->command, "kernel", sizeof("kernel"));
		return;
	}
	owner->pid = task->tgid;
	owner->vpid = owner_vpid(leader);
	owner->start_boottime_ns = leader->start_boottime;
	owner->cgroup_id = cgroup_of(task);
	__builtin_memcpy(owner->command, leader->comm, sizeof(owner->command));
	owner_executable(owner, leader);
}

/*
 * What is known of a socket that was met in passing, or NULL. Small sockets (a connection request, TIME_WAIT) have
 * no storage and are too short to look for it.
 */
static __always_inline struct socket_owner *owner_find(struct sock *sk)
{
	__u8 state;

	if (!sk)
		return 0;
	state = sk->__sk_common.skc_state;
	if (state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV)
		return 0;
	return bpf_sk_storage_get(&owners, sk, 0, 0);
}

#endif /* KERNTAP_OWNER_H */
