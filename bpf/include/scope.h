/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * scope.h - whose events are wanted
 *
 * A sidecar watches its own network namespace alone. What lies outside is left out before anything is reserved.
 */
#ifndef KERNTAP_SCOPE_H
#define KERNTAP_SCOPE_H

#include "kernel.h"

/* inode number of the one network namespace to watch; 0: all of them */
const volatile __u32 scope_netns;

/* A namespace that is not known (0) is in no scope but that of the whole host. */
static __always_inline bool in_scope(__u32 netns)
{
	return !scope_netns || netns == scope_netns;
}

static __always_inline __u32 netns_of_socket(struct sock *sk)
{
	return sk->__sk_common.skc_net.net->ns.inum;
}

#endif /* KERNTAP_SCOPE_H */
