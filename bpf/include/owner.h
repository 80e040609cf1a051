/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * owner.h - who owns a socket
 *
 * The owner is written where the process itself runs (connect, listen) and is kept by the address of the socket until
 * the kernel destroys it. Addresses are used again and a program may be skipped: the socket's cookie, which the kernel
 * never gives twice, tells whether what is kept is about this socket. The next socket at an address most often comes at
 * once: it writes over what is there, which is a good deal cheaper than to delete and to insert.
 *
 * That is no socket storage: storage costs the host two allocations a socket, those that are copied from a listener (BPF_F_CLONE)
 * 3.5 % of its connections a second, and walking it panics Linux 7.2 (bpf_selem_unlink_nofail, 5d800f87d0a5, clears what
 * __bpf_sk_storage_map_seq_show still follows).
 *
 * The map is shared by all programs of one kerntap.
 */
#ifndef KERNTAP_OWNER_H
#define KERNTAP_OWNER_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "event.h"

enum role {
	ROLE_UNKNOWN = 0,
	ROLE_CLIENT = 1,
	ROLE_SERVER = 2,
};

/* How the owner of a socket is known. */
enum attribution {
	ATTRIBUTION_CALLER = 0,	  /* it called connect or listen itself */
	ATTRIBUTION_LISTENER = 1, /* it owns the listener that the connection came to */
	ATTRIBUTION_HOLDER = 2,	  /* it had the socket open when kerntap started */
	ATTRIBUTION_ACCEPTOR = 3, /* it accepted the connection */
};

/* Whether a connection is watched, see connection_verdict.h. */
enum verdict {
	VERDICT_NONE = 0,
	VERDICT_WATCHED = 1,
	VERDICT_LEFT_OUT = 2,
};

/* What has been counted of what a connection carried. */
struct traffic_told {
	__u64 sent;
	__u64 received;
	__u64 segments_out;
	__u64 segments_in;
};

/*
 * What nearly every event of a socket asks for lies together, and the owner's command behind it: a busy host finds little of it
 * in its caches.
 */
struct socket_owner {
	__u64 life;	   /* whose it is and how much of it has been counted, see life_of */
	__u64 since_ns;	   /* connect called, connection established, or found */
	struct traffic_told told;
	__u8 role;
	__u8 own; /* kerntap's own socket */
	__u8 attribution;
	__u8 verdict; /* whether the connection is watched, see connection_verdict.h */
	__s32 error; /* errno that the kernel told the process, which takes it away from the socket */
	__u32 refused; /* what has been counted of what a listener refused */
	bool sent; /* connect has sent something, and has not returned yet */
	__u8 _pad[3];
	struct owner owner;
	__u64 attempt_ns; /* connect last sent something */
	__u32 closer_pid; /* of the process that ended it, see connection_closer.h; 0: the owner, or not known */
	char closer[16];
	__u8 _tail[4];
};

/* How much of a socket's life has been counted. Sockets that listen, and those they hand out, begin without. */
enum phase {
	PHASE_NONE = 0,
	PHASE_CONNECTING = 1,
	PHASE_WAITING = 2, /* for somebody to accept it */
	PHASE_FOUND = 3, /* established before kerntap, and not counted yet */
	PHASE_ESTABLISHED = 4,
	PHASE_ENDED = 5,
	PHASE_FREE = 6,	  /* the socket is destroyed: what is kept is there for the next one at its address */
	PHASE_UNUSED = 7, /* and has been for a while */
	PHASE_TAKEN = 8,  /* by the next one, or to be deleted */
};

enum {
	PHASE_BITS = 4,
	PHASE_MASK = (1 << PHASE_BITS) - 1,
};

/*
 * The cookie of a socket, 0 until an accepted one has one, and the phase: one word, so that who changes the phase without
 * the socket's lock is sure whose it is. What is kept is given to another socket as soon as it is forgotten.
 */
static __always_inline __u64 life_of(__u64 cookie, enum phase phase)
{
	return cookie << PHASE_BITS | phase;
}

static __always_inline __u64 life_cookie(__u64 life)
{
	return life >> PHASE_BITS;
}

static __always_inline enum phase life_phase(__u64 life)
{
	return life & PHASE_MASK;
}

/* By the address of the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, __u64);
	__type(value, struct socket_owner);
} owners SEC(".maps");

/*
 * Programs of tracepoints may ask for the cookie of a socket: c5dbb89fc2ac ("bpf: Expose bpf_get_socket_cookie to
 * tracing programs"), 5.12. Kernels that old skip no programs, so what is kept is always forgotten in time there.
 */
const volatile bool sockets_have_cookies;

static __always_inline __u64 owner_cookie(struct sock *sk)
{
	return sockets_have_cookies ? bpf_get_socket_cookie(sk) : 0;
}

/* What is kept is about a socket that had this address before. */
static __always_inline bool owner_is_of_another(const struct socket_owner *known, const struct sock *sk)
{
	__u64 cookie = life_cookie(known->life);

	return cookie && cookie != (__u64)sk->__sk_common.skc_cookie.counter;
}

/* What is kept by the socket's address, NULL if nothing is. */
static __always_inline struct socket_owner *owner_kept(struct sock *sk)
{
	__u64 address = (__u64)sk;
	struct socket_owner *known = bpf_map_lookup_elem(&owners, &address);

	return known && !owner_is_of_another(known, sk) ? known : 0;
}

/* kerntap's own process in the initial pid namespace, whose traffic nobody asked for */
const volatile __u32 self_tgid;

/* What is known of a socket that was met in passing, or NULL. Small sockets (a connection request, TIME_WAIT) are nobody's. */
static __always_inline struct socket_owner *owner_find(struct sock *sk)
{
	__u8 state;

	if (!sk)
		return 0;
	state = sk->__sk_common.skc_state;
	if (state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV)
		return 0;
	return owner_kept(sk);
}

#endif /* KERNTAP_OWNER_H */
