/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * argument.h - arguments of tracepoints that may be NULL, and pointers that may be none
 *
 * Kernels from 6.2 on took every argument for a pointer that is never NULL: the verifier left out the question whether it is,
 * and what was read of it was not caught (CVE-2024-56702). Of the lower half of an address it knows nothing, and that is zero
 * of NULL alone.
 */
#ifndef KERNTAP_ARGUMENT_H
#define KERNTAP_ARGUMENT_H

#include <bpf/bpf_helpers.h>
#include "kernel.h"

static __always_inline bool is_there(const void *argument)
{
	__u64 low;

	/* clang would shift, which pointers are not to be */
	asm volatile("r0 = %1; w0 = w0; %0 = r0" : "=r"(low) : "r"(argument) : "r0");
	return low && argument;
}

/*
 * The socket that owns a packet. In a queue of fragments an offset lies where its address was, before 18685451fc4e ("inet:
 * inet_defrag: prevent sk release while still in use", 6.9): no address of the kernel's, which are negative.
 */
static __always_inline struct sock *packet_socket(struct sk_buff *skb)
{
	struct sock *sk = skb->sk;
	__u64 kernels = 1;

	asm volatile("if %1 s< 0 goto +1; %0 = 0" : "+r"(kernels) : "r"(sk));
	return kernels && sk ? sk : 0;
}

#endif /* KERNTAP_ARGUMENT_H */
