/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * process.h - what is told of a process
 */
#ifndef KERNTAP_PROCESS_H
#define KERNTAP_PROCESS_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "cgroup.h"
#include "event.h"

/* Programs may read the running task directly: 3ca1032ab7ab ("bpf: Add bpf_get_current_task_btf"), 5.11. */
const volatile bool tasks_are_typed;

/* A name of up to 31 characters lies inside its dentry; a longer one does not and is left out. */
static __always_inline void owner_executable(struct owner *owner, struct task_struct *leader)
{
	struct mm_struct *memory = leader->mm; /* NULL in a process that ends, which closes its files after that */
	struct file *file = memory ? memory->exe_file : 0;
	struct dentry___iname *older;
	struct dentry *dentry;

	if (!file)
		return;
	dentry = file->f_path.dentry;
	older = (void *)dentry;
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

	if (!pid || bpf_core_field_size(pid->numbers) != 0)
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

/*
 * Clears what an older, longer name has left behind the end of a command: kernels before 5.17
 * ("fs/exec: replace strlcpy with strscpy_pad in __set_task_comm") do not.
 */
static __always_inline void owner_command_end(struct owner *owner)
{
	__u64 *words = (__u64 *)owner->command;
	bool ended = false;

#pragma clang loop unroll(full)
	for (int i = 0; i < 2; i++) {
		__u64 zeros = (words[i] - 0x0101010101010101ULL) & ~words[i] & 0x8080808080808080ULL;

		if (ended)
			words[i] = 0;
		else if (zeros) {
			words[i] &= (zeros & -zeros) - 1;
			ended = true;
		}
	}
}

/* Describes a process by one of its tasks. */
static __always_inline void owner_set(struct owner *owner, struct task_struct *task)
{
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
	owner_command_end(owner);
	owner_executable(owner, leader);
}

/* The same for a task that is known by its address alone. */
static __always_inline void owner_set_probed(struct owner *owner, struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	struct dentry___iname *name;
	struct upid number;

	__builtin_memset(owner, 0, sizeof(*owner));
	if (BPF_CORE_READ(task, flags) & PF_KTHREAD) {
		__builtin_memcpy(owner->command, "kernel", sizeof("kernel"));
		return;
	}
	owner->pid = BPF_CORE_READ(task, tgid);
	owner->start_boottime_ns = BPF_CORE_READ(leader, start_boottime);
	if (level && !bpf_probe_read_kernel(&number, bpf_core_type_size(struct upid),
					    (void *)pid + bpf_core_field_offset(pid->numbers) +
						    level * bpf_core_type_size(struct upid)))
		owner->vpid = number.nr;
	owner->cgroup_id = cgroup_of_probed(task);
	BPF_CORE_READ_INTO(&owner->command, leader, comm);
	owner_command_end(owner);
	name = (void *)BPF_CORE_READ(leader, mm, exe_file, f_path.dentry);
	if (BPF_CORE_READ((struct dentry *)name, d_name.len) < sizeof(owner->executable))
		BPF_CORE_READ_INTO(&owner->executable, name, d_iname);
	owner->executable[sizeof(owner->executable) - 1] = 0;
}

/* Whether two names of executables are the same, of which one is another process's memory. */
static __always_inline bool owner_executable_is(const struct owner *owner, const char *name)
{
	const __u64 *one = (const __u64 *)owner->executable, *other = (const __u64 *)name;

	/* the last byte is none of the name's */
	return one[0] == other[0] && one[1] == other[1] && one[2] == other[2] && one[3] == (other[3] & ~(0xffULL << 56));
}

/*
 * Whether what was described is this process as it is now. What never changes of a process is not compared, and one whose
 * executable has a long name, or none, is described anew.
 */
static __always_inline bool owner_is(const struct owner *owner, struct task_struct *task)
{
	const __u64 *command = (const __u64 *)owner->command, *now;
	struct task_struct *leader = task->group_leader;
	struct mm_struct *memory = leader->mm;
	struct file *file = memory ? memory->exe_file : 0;
	struct dentry___iname *older;
	struct dentry *dentry;

	if (!file || owner->pid != (__u32)task->tgid || owner->start_boottime_ns != leader->start_boottime)
		return false;
	now = (const __u64 *)leader->comm;
	dentry = file->f_path.dentry;
	older = (void *)dentry;
	if (command[0] != now[0] || command[1] != now[1] || dentry->d_name.len >= sizeof(owner->executable))
		return false;
	if (bpf_core_field_exists(dentry->d_shortname) ? !owner_executable_is(owner, (const char *)dentry->d_shortname.string) :
							 !owner_executable_is(owner, (const char *)older->d_iname))
		return false;
	return owner->cgroup_id == cgroup_of(task);
}

/* Describes the running process. Call it only where the process itself asks for what happens. */
static __always_inline void owner_set_current(struct owner *owner)
{
	if (tasks_are_typed)
		owner_set(owner, bpf_get_current_task_btf());
	else
		owner_set_probed(owner, (void *)bpf_get_current_task());
}

#endif /* KERNTAP_PROCESS_H */
