/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * memory.h - reading memory of the kernel that has no type: the headers of packets, the text of names
 *
 * Kernels in lockdown mode confidentiality refuse the helpers that read memory at will. They allow to take memory for a
 * type whose fields are then read as any other's, which does the same without a helper's call.
 */
#ifndef KERNTAP_MEMORY_H
#define KERNTAP_MEMORY_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "kernel.h"

/*
 * Takes memory of the kernel for a type (a35b9af4ec2c "bpf: Add a kfunc for generic type cast", 6.2). A read that faults
 * gives zeros.
 */
extern void *bpf_rdonly_cast(const void *pointer, __u32 btf_id) __ksym __weak;

/* The kernel lets programs read its memory at will: not in lockdown mode confidentiality. */
const volatile bool may_probe_read;

/* Whether memory_read and memory_text can read anything here. */
static __always_inline bool memory_readable(void)
{
	return bpf_rdonly_cast || may_probe_read;
}

/* Reads a constant number of words; false if that is not possible. A page that is not there reads as zeros, or not. */
static __always_inline bool memory_read(__u32 *words, int count, const void *at)
{
	struct in6_addr *sixteen_bytes = 0;

	if (!bpf_rdonly_cast)
		return may_probe_read && !bpf_probe_read_kernel(words, count * sizeof(*words), at);
#pragma clang loop unroll(full)
	for (int i = 0; i < count; i++) {
		if (i % 4 == 0)
			sixteen_bytes = bpf_rdonly_cast(at + i * sizeof(*words), bpf_core_type_id_kernel(struct in6_addr));
		words[i] = sixteen_bytes->in6_u.u6_addr32[i % 4];
	}
	return true;
}

/* Reads a pointer, NULL where that is not possible. */
static __always_inline void *memory_pointer(const void *at)
{
	__u32 words[2] = {};

	memory_read(words, 2, at);
	return (void *)(words[0] | (__u64)words[1] << 32);
}

/* The same for numbers of up to four bytes. */
static __always_inline __u32 memory_number(const void *at, int size)
{
	__u32 word = 0;

	memory_read(&word, 1, at);
	return size == 4 ? word : word & ((1U << 8 * size) - 1);
}

/* A field of what is known by its address alone. */
#define memory_field(address, type, field) ((const void *)(address) + bpf_core_field_offset(type, field))

/* Whether one of the bytes is zero. */
static __always_inline bool memory_ends(__u32 word)
{
	return (word - 0x01010101) & ~word & 0x80808080;
}

/*
 * Copies a text of less than size bytes, a multiple of 4, up to and with its end; what follows that in the same word is
 * undefined. A longer one is cut.
 */
static __always_inline void memory_text(char *to, int size, const char *at)
{
	if (may_probe_read) {
		bpf_probe_read_kernel_str(to, size, at);
		return;
	}
#pragma clang loop unroll(disable)
	for (int i = 0; i < size; i += sizeof(__u32)) {
		__u32 word;

		if (!memory_read(&word, 1, at + i))
			word = 0;
		__builtin_memcpy(to + i, &word, sizeof(word));
		if (memory_ends(word))
			return;
	}
	to[size - 1] = 0;
}

#endif /* KERNTAP_MEMORY_H */
