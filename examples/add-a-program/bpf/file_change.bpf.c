/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * file_change - files and directories that a process changes
 *
 * The hook fires when an inode becomes dirty: in the process that writes, creates, renames or changes attributes, or
 * in a kernel thread that works for nobody in particular and is reported as "kernel".
 */
#include "kernel.h"
#include <bpf/bpf_tracing.h>
#include "event.h"
#include "ledger.h"
#include "owner.h"
#include "process.h"
#include "ring.h"
#include "throttle.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct file_system_type {
	const char *name;
};

struct super_block {
	struct file_system_type *s_type;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
};
#pragma clang attribute pop

struct file_change_row {
	char filesystem[16]; /* ext4, tmpfs, … */
	struct row_owner who;
};

LEDGER(struct file_change_row, 1);

struct file_change_event {
	struct event_header header;
	__u64 inode;
	char filesystem[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
	__type(value, struct file_change_event);
} events SEC(".maps");

SEC("tp_btf/writeback_mark_inode_dirty")
int BPF_PROG(file_change_dirty, struct inode *inode)
{
	struct file_change_event *event;
	struct file_change_row row = {};
	struct owner owner;

	if (self_tgid && bpf_get_current_pid_tgid() >> 32 == self_tgid) {
		ledger_count(filtered);
		return 0;
	}
	owner_set_current(&owner);
	row_owner_set(&row.who, &owner);
	bpf_probe_read_kernel_str(row.filesystem, sizeof(row.filesystem), inode->i_sb->s_type->name);
	ledger_tally(&row, 0);
	ledger_charge(&owner, 0, 0);
	if (!ledger_admits(&row))
		return 0;
	event = ring_reserve(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.timestamp_ns = bpf_ktime_get_ns();
	event->header.owner = owner;
	event->inode = inode->i_ino;
	__builtin_memcpy(event->filesystem, row.filesystem, sizeof(event->filesystem));
	ring_submit(event);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
