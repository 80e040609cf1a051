/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * cgroup.h - in which cgroup a process runs, and what that is called
 *
 * Container engines put the container's id into the names of its cgroups. They are written down once for each new
 * cgroup, while its process runs: no mount and no path is needed, and the answer holds after the process has ended.
 */
#ifndef KERNTAP_CGROUP_H
#define KERNTAP_CGROUP_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "kernel.h"
#include "memory.h"

enum {
	CGROUP_LEVELS = 4,
	CGROUP_NAME = 128,
};

/* The names of a cgroup and of its parents, the innermost first; "" above the root. */
struct cgroup_names {
	char name[CGROUP_LEVELS][CGROUP_NAME];
};

/* By the id of the cgroup. Shared by all programs of one kerntap. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct cgroup_names);
} cgroups SEC(".maps");

/* Room to put names together: they are larger than a program's stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cgroup_names);
} cgroup_room SEC(".maps");

/* The cgroup that was asked for last on a CPU, and until when, in jiffies, it need not be looked for again. */
struct cgroup_last {
	__u64 id;
	__u64 until;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cgroup_last);
} cgroup_last SEC(".maps");

/*
 * Whether the names of a cgroup are written down. Most processes of a busy CPU are of one cgroup. It is looked for now and then
 * all the same: what nobody looks for is what the map leaves out when it is full.
 */
static __always_inline bool cgroup_is_written(__u64 id)
{
	enum { JIFFIES = 64 }; /* 64 ms to 640 ms */
	__u64 now = bpf_jiffies64();
	struct cgroup_last *last;
	__u32 zero = 0;

	last = bpf_map_lookup_elem(&cgroup_last, &zero);
	if (last && id && last->id == id && now < last->until)
		return true;
	if (!bpf_map_lookup_elem(&cgroups, &id))
		return false;
	if (last) {
		last->id = id;
		last->until = now + JIFFIES;
	}
	return true;
}

/*
 * The cgroup in the unified hierarchy, or the memory controller's where processes are still sorted by controllers:
 * there all of them are in the root of the unified one.
 */
static __always_inline struct kernfs_node *cgroup_node(struct task_struct *task)
{
	struct css_set *set = task->cgroups;
	struct cgroup *cgroup = set->dfl_cgrp;

	if (cgroup->level == 0 && bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		cgroup = set->subsys[bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id)]->cgroup;
	return cgroup->kn;
}

/* typed: the node was reached by fields of known types, else by its address alone */
static __always_inline struct kernfs_node *cgroup_parent(struct kernfs_node *node, bool typed)
{
	struct kernfs_node___parent *older = (void *)node;

	if (bpf_core_field_exists(node->__parent))
		return typed ? node->__parent : BPF_CORE_READ(node, __parent);
	return typed ? older->parent : BPF_CORE_READ(older, parent);
}

static __always_inline void cgroup_name(char *name, struct kernfs_node *node, bool typed)
{
	memory_text(name, CGROUP_NAME, typed ? node->name : BPF_CORE_READ(node, name));
}

/* Makes sure that the names of a cgroup are written down, and returns its id. */
static __always_inline __u64 cgroup_write(struct kernfs_node *node, __u64 id, bool typed)
{
	struct cgroup_names *names;
	__u32 zero = 0;

	if (!memory_readable() || cgroup_is_written(id))
		return id;
	names = bpf_map_lookup_elem(&cgroup_room, &zero);
	if (!names)
		return id;
	for (int i = 0; i < CGROUP_LEVELS; i++) {
		names->name[i][0] = 0;
		if (node) {
			cgroup_name(names->name[i], node, typed);
			node = cgroup_parent(node, typed);
		}
	}
	bpf_map_update_elem(&cgroups, &id, names, BPF_ANY);
	return id;
}

/* Returns the id of the process's cgroup and makes sure that its names are written down. */
static __always_inline __u64 cgroup_of(struct task_struct *task)
{
	struct kernfs_node *node = cgroup_node(task);

	return cgroup_write(node, node->id, true);
}

/* The same for a task that is known by its address alone. */
static __always_inline __u64 cgroup_of_probed(struct task_struct *task)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup *cgroup = BPF_CORE_READ(set, dfl_cgrp);
	struct cgroup_subsys_state *state = 0;
	struct kernfs_node *node;

	if (BPF_CORE_READ(cgroup, level) == 0 && bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		bpf_probe_read_kernel(&state, sizeof(state),
				      (void *)set + bpf_core_field_offset(set->subsys) +
					      bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id) * sizeof(state));
	if (state)
		cgroup = BPF_CORE_READ(state, cgroup);
	node = BPF_CORE_READ(cgroup, kn);
	return cgroup_write(node, BPF_CORE_READ(node, id), false);
}

#endif /* KERNTAP_CGROUP_H */
