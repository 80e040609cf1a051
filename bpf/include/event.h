/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * event.h - what every event begins with
 *
 * User space reads the header of a sample without knowing its program. All fields are in host byte order; what is not
 * known is zero.
 */
#ifndef KERNTAP_EVENT_H
#define KERNTAP_EVENT_H

#include "kernel.h"

/* Whoever owns a socket: never the task that happened to run. */
struct owner {
	__u64 start_boottime_ns; /* of the process, tells a reused pid */
	__u64 cgroup_id;
	__u32 pid;  /* tgid in the initial pid namespace */
	__u32 vpid; /* tgid in the process's own pid namespace, where that is another one */
	char command[16]; /* of the thread-group leader */
	char executable[32];
};

struct event_header {
	__u64 timestamp_ns; /* CLOCK_MONOTONIC */
	__u32 netns; /* inode number of the network namespace */
	__u32 _pad;
	struct owner owner;
};

#endif /* KERNTAP_EVENT_H */
