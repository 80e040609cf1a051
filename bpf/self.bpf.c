/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * self - who reads this
 *
 * An iterator runs in the process that reads it, so the kernel's own number of that process is at hand: in a
 * container, getpid() would say 1. It walks the one element of its own map.
 */
#include "include/kernel.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} elements SEC(".maps");

__u32 reader_tgid;

SEC("iter/bpf_map_elem")
int self_read(void *ctx)
{
	reader_tgid = bpf_get_current_pid_tgid() >> 32;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
