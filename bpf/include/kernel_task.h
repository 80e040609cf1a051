/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * kernel_task.h - the kernel's types of processes, of what they have open and of the groups they run in
 */
#ifndef KERNTAP_KERNEL_TASK_H
#define KERNTAP_KERNEL_TASK_H

enum {
	PF_KTHREAD = 0x00200000, /* include/linux/sched.h */
};

/* the layout is the running kernel's, not the one that would be padded here */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpadded"
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct upid {
	int nr;
};

/*
 * One element until b69f0aeb0689 ("pid: Replace struct pid 1-element array with flex-array"), 6.5: reading a nested
 * namespace's number directly is possible only where the array is flexible.
 */
struct pid {
	unsigned int level;
	struct upid numbers[4];
};

struct qstr {
	__u32 len;
};

union shortname_store {
	unsigned char string[32];
};

struct dentry {
	struct qstr d_name;
	union shortname_store d_shortname;
};

/* before 58cf9c383c5c ("dcache: back inline names with a struct-wrapped array of unsigned long") */
struct dentry___iname {
	unsigned char d_iname[32];
};

struct path {
	struct dentry *dentry;
};

struct inode;

struct file {
	struct path f_path;
	struct inode *f_inode;
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

/* what the tracepoints of system calls hand out */
struct trace_event_raw_sys_enter {
	unsigned long args[6];
};

struct trace_event_raw_sys_exit {
	long ret;
};

struct kernfs_node {
	__u64 id;
	const char *name;
	struct kernfs_node *__parent;
};

/* before 633488947ef6 ("kernfs: Use RCU to access kernfs_node::parent."), 6.15 */
struct kernfs_node___parent {
	struct kernfs_node *parent;
};

struct cgroup {
	int level;
	struct kernfs_node *kn;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

enum cgroup_subsys_id {
	memory_cgrp_id = 4, /* relocated: it depends on the kernel's configuration */
};

struct css_set {
	struct cgroup_subsys_state *subsys[16];
	struct cgroup *dfl_cgrp;
};

struct task_struct;

struct bpf_iter__task_file {
	struct task_struct *task;
	struct file *file;
};

struct mm_struct {
	struct file *exe_file;
};

struct task_struct {
	unsigned int flags;
	struct mm_struct *mm;
	int tgid;
	struct task_struct *group_leader;
	__u64 start_boottime;
	char comm[16];
	struct pid *thread_pid;
	struct files_struct *files;
	struct css_set *cgroups;
};

#pragma clang attribute pop
#pragma clang diagnostic pop

#endif /* KERNTAP_KERNEL_TASK_H */
