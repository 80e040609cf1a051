/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connection_owner.h - how what is known of a socket is kept, handed on and forgotten
 *
 * What is free is taken by whoever is the first to change its phase: the next socket at its address, or the walk over owners,
 * which deletes what it has met twice. Both are rarely there at the same time; then the socket waits, for as long as a deletion
 * takes. Should even that have been interrupted, what it keeps is deleted, and it is nobody's.
 *
 * An entry is given on while others may still look at it. Whoever looks without the socket's lock copies what it needs, asks
 * again for the life, and changes nothing but by comparing with what it copied.
 */
#ifndef KERNTAP_CONNECTION_OWNER_H
#define KERNTAP_CONNECTION_OWNER_H

#include "connection_row.h"

/* There was no room for what is known of a socket: that nothing is kept of one does not say any more that it was skipped. */
__u32 owners_overflowed;

/* Whether it was this CPU that took what is free. There is nobody else where nothing walks. */
static __always_inline bool owner_take(struct socket_owner *known, __u64 life)
{
	return open_are_told && (life_phase(life) == PHASE_FREE || life_phase(life) == PHASE_UNUSED) &&
	       phase_advance(known, life, PHASE_TAKEN);
}

/* Takes what is free at a socket's address, NULL if nothing is. It is its taker's alone until that publishes it. */
static __always_inline struct socket_owner *owner_take_at(__u64 address)
{
	struct socket_owner *known = bpf_map_lookup_elem(&owners, &address);

	return known && owner_take(known, known->life) ? known : 0;
}

/* The walk reads what was taken once its life says so. */
static __always_inline void owner_publish(struct socket_owner *known, __u64 life)
{
	__sync_lock_test_and_set(&known->life, life);
}

/* Copies all but the life. */
static __always_inline void owner_copy(struct socket_owner *to, const struct socket_owner *from)
{
	__builtin_memcpy(&to->since_ns, &from->since_ns, sizeof(*to) - __builtin_offsetof(struct socket_owner, since_ns));
}

/* Clears all but the life and who owns it. */
static __always_inline void owner_clear(struct socket_owner *known)
{
	__builtin_memset(&known->since_ns, 0,
			 __builtin_offsetof(struct socket_owner, owner) - __builtin_offsetof(struct socket_owner, since_ns));
	known->closer_pid = 0;
	__builtin_memset(known->closer, 0, sizeof(known->closer));
	known->attempt_ns = 0;
}

static __noinline int owner_await_deletion(__u64 address)
{
	struct socket_owner *known;

	for (int i = 0; i < 32; i++) {
		known = bpf_map_lookup_elem(&owners, &address);
		if (!known || life_phase(known->life) != PHASE_TAKEN)
			return 0;
	}
	return 0;
}

static __always_inline void owner_unkept(void)
{
	owners_overflowed = 1;
	ledger_count(unowned);
}

/* A bucket of the map may be busy below this run; then it is not when it is tried again. */
static __always_inline void owner_insert(__u64 address, const struct socket_owner *new)
{
	long err = bpf_map_update_elem(&owners, &address, new, BPF_ANY);

	if (unlikely(err && err != -E2BIG))
		err = bpf_map_update_elem(&owners, &address, new, BPF_ANY);
	if (unlikely(err))
		owner_unkept();
}

/* Keeps what is known of a socket that begins, or of which nothing was known: what was kept of its address is of another. */
static __always_inline void owner_keep(struct sock *sk, const struct socket_owner *new)
{
	__u64 address = (__u64)sk, life;
	struct socket_owner *known = bpf_map_lookup_elem(&owners, &address);

	if (known) {
		life = known->life;
		if (owner_take(known, life)) {
			owner_copy(known, new);
			owner_publish(known, new->life);
			return;
		}
		life = *(volatile __u64 *)&known->life; /* somebody else may have been faster */
		if (life_phase(life) == PHASE_TAKEN)
			owner_await_deletion(address);
		else
			connection_lost_sight(known, life);
	}
	owner_insert(address, new);
}

/* The socket is destroyed. Without a cookie its next one could not be told from it. */
static __always_inline void owner_forget(struct socket_owner *known, __u64 address)
{
	__u64 life = known->life;

	if (!open_are_told || !life_cookie(life))
		bpf_map_delete_elem(&owners, &address);
	else if (life_phase(life) < PHASE_FREE)
		phase_advance(known, life, PHASE_FREE);
}

/* The cookie of the socket that ended last on a CPU, of those that are destroyed at once. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} last_ended SEC(".maps");

/*
 * A socket has ended. One that its process has let go can only be destroyed, and is at once (tcp_done): it is forgotten already
 * now, so that nothing is to be looked for then.
 */
static __always_inline void owner_ended(struct sock *sk, struct socket_owner *known)
{
	__u64 life = known->life, *last;
	__u32 zero = 0;

	if (!open_are_told || !life_cookie(life) || life_phase(life) != PHASE_ENDED ||
	    !(sk->__sk_common.skc_flags >> bpf_core_enum_value(enum sock_flags, SOCK_DEAD) & 1))
		return;
	last = bpf_map_lookup_elem(&last_ended, &zero);
	if (last && phase_advance(known, life, PHASE_FREE))
		*last = life_cookie(life);
}

/* Whether a socket that is destroyed is forgotten already. */
static __always_inline bool owner_is_forgotten(const struct sock *sk)
{
	__u32 zero = 0;
	__u64 *last = bpf_map_lookup_elem(&last_ended, &zero);

	return last && *last && *last == (__u64)sk->__sk_common.skc_cookie.counter;
}

/* The walk has met what is free: deletes it the second time. */
static __always_inline int owner_collect(struct socket_owner *known, __u64 life, __u64 address)
{
	if (life_phase(life) == PHASE_FREE)
		phase_advance(known, life, PHASE_UNUSED);
	else if (life_phase(life) == PHASE_UNUSED && owner_take(known, life) && bpf_map_delete_elem(&owners, &address))
		known->life = life_of(life_cookie(life), PHASE_UNUSED);
	return 0;
}

#endif /* KERNTAP_CONNECTION_OWNER_H */
