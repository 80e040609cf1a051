/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * filter.h - which commands, ports and addresses are wanted
 *
 * What is not known matches nothing: where only some are wanted it is left out, where some are not it is kept. What is
 * left out is counted as filtered, before anything is reserved.
 */
#ifndef KERNTAP_FILTER_H
#define KERNTAP_FILTER_H

#include "endpoint.h"
#include "event.h"
#include "owner.h"

enum {
	FILTER_COMMANDS = 32,
	FILTER_PORTS = 64,
	FILTER_NETWORKS = 32,
};

struct filter_port {
	__u16 first;
	__u16 last;
};

/* IPv4 is IPv4-mapped IPv6; a range of IPv6 that encloses that has no address of IPv4 all the same. */
struct filter_network {
	__u64 address[2]; /* in network order */
	__u64 mask[2];
	__u64 ipv6;
};

/* In a list those come first of which one must match, if there are any; none of the rest may. */
struct filter_list {
	__u32 only;
	__u32 all;
};

struct filter_set {
	__u64 command[FILTER_COMMANDS][2];
	struct filter_network network[FILTER_NETWORKS];
	struct filter_port port[FILTER_PORTS];
	struct filter_list commands;
	struct filter_list networks;
	struct filter_list ports;
	__u64 without_loopback; /* what stays on this host is not wanted */
};

/*
 * Which of the two sets holds, 1 or 2; 0: everything is wanted. While programs run user space fills the other one before
 * it says so.
 */
volatile __u32 filters;
volatile struct filter_set filter_sets[2];

/* What of two ends is known, and to be looked at. */
enum {
	FILTER_LOCAL_PORT = 1 << 0,
	FILTER_PEER_PORT = 1 << 1,
	FILTER_LOCAL_NETWORK = 1 << 2,
	FILTER_PEER_NETWORK = 1 << 3,
	FILTER_ADDRESSES = 1 << 4,
	FILTER_SECOND_SET = 1 << 5, /* holds */
};

static __always_inline const volatile struct filter_set *filter_set_of(__u32 about)
{
	return &filter_sets[about & FILTER_SECOND_SET ? 1 : 0];
}

/*
 * Lists are searched by global functions that take numbers, and without branches. So the verifier looks at each function
 * once, by itself, instead of on each of the ways that lead to it, and follows one path through each turn. barrier_var
 * keeps clang from making branches of the arithmetic.
 */
static __always_inline __u64 filter_is_zero(__u64 value)
{
	__u64 negative = -value;

	barrier_var(negative);
	return ((value | negative) >> 63) ^ 1;
}

static __always_inline __u64 filter_is_less(__u64 one, __u64 other)
{
	__u64 difference = one - other;

	barrier_var(difference);
	return difference >> 63;
}

/* What of a list has matched, as truth values. */
struct filter_found {
	__u64 only;
	__u64 not;
};

static __always_inline void filter_note(struct filter_found *found, __u64 match, __u32 i, __u32 only)
{
	__u64 first = filter_is_less(i, only);

	found->only |= match & first;
	found->not |= match & (first ^ 1);
}

static __always_inline int filter_keeps(const struct filter_found *found, __u32 only)
{
	return !found->not && (found->only || !only);
}

__noinline int filter_keeps_command(__u64 first, __u64 second, __u32 about)
{
	const volatile struct filter_set *set = filter_set_of(about);
	__u32 only = set->commands.only, all = set->commands.all;
	struct filter_found found = {};

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FILTER_COMMANDS && i < all; i++)
		filter_note(&found, filter_is_zero((set->command[i][0] ^ first) | (set->command[i][1] ^ second)), i, only);
	return filter_keeps(&found, only);
}

static __always_inline __u64 filter_is_in(__u64 port, const volatile struct filter_port *range)
{
	return 1 ^ (filter_is_less(port, range->first) | filter_is_less(range->last, port));
}

__noinline int filter_keeps_ports(__u32 local, __u32 peer, __u32 about)
{
	const volatile struct filter_set *set = filter_set_of(about);
	__u64 is_local = !!(about & FILTER_LOCAL_PORT), is_peer = !!(about & FILTER_PEER_PORT);
	__u32 only = set->ports.only, all = set->ports.all;
	struct filter_found found = {};

	barrier_var(is_local);
	barrier_var(is_peer);
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FILTER_PORTS && i < all; i++)
		filter_note(&found,
			    (is_local & filter_is_in(local, &set->port[i])) | (is_peer & filter_is_in(peer, &set->port[i])),
			    i, only);
	return filter_keeps(&found, only);
}

/* An address as two words in network order, of which IPv4's are those of IPv4-mapped IPv6. */
static __always_inline __u64 filter_is_ipv4(__u64 high, __u64 low)
{
	return filter_is_zero(high | (__u32)(low ^ bpf_htonl(0xffff)));
}

/* 127.0.0.0/8 or ::1 */
static __always_inline bool filter_is_loopback(__u64 high, __u64 low)
{
	if (filter_is_ipv4(high, low))
		return (low >> 32 & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return !high && low == (__u64)bpf_htonl(1) << 32;
}

static __always_inline __u64 filter_has(const volatile struct filter_network *network, __u64 high, __u64 low, __u64 is_ipv4)
{
	return filter_is_zero(((high & network->mask[0]) ^ network->address[0]) |
			      ((low & network->mask[1]) ^ network->address[1]) | (is_ipv4 & network->ipv6));
}

/* What of the list has matched an address, as two bits. */
__noinline int filter_match_network(__u64 high, __u64 low, __u32 about)
{
	const volatile struct filter_set *set = filter_set_of(about);
	__u32 only = set->networks.only, all = set->networks.all;
	__u64 is_ipv4 = filter_is_ipv4(high, low);
	struct filter_found found = {};

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FILTER_NETWORKS && i < all; i++)
		filter_note(&found, filter_has(&set->network[i], high, low, is_ipv4), i, only);
	return found.only | found.not << 1;
}

__noinline int filter_keeps_loopback(__u64 local_high, __u64 local_low, __u64 peer_high, __u64 peer_low, __u32 about)
{
	if (!filter_set_of(about)->without_loopback || !(about & FILTER_ADDRESSES))
		return true;
	return !filter_is_loopback(local_high, local_low) && !filter_is_loopback(peer_high, peer_low) &&
	       (local_high != peer_high || local_low != peer_low);
}

static __always_inline __u64 filter_word(const struct endpoint *end, int i)
{
	return (__u64)end->address[i + 1] << 32 | end->address[i];
}

static __always_inline bool filter_keeps_networks(const struct endpoint *local, const struct endpoint *peer, __u32 about)
{
	struct filter_found found;
	int matches = 0;

	if (about & FILTER_LOCAL_NETWORK)
		matches = filter_match_network(filter_word(local, 0), filter_word(local, 2), about);
	if (about & FILTER_PEER_NETWORK)
		matches |= filter_match_network(filter_word(peer, 0), filter_word(peer, 2), about);
	found.only = matches & 1;
	found.not = matches & 2;
	return filter_keeps(&found, filter_set_of(about)->networks.only);
}

/*
 * Whether nobody wants to hear of what happened between two ends, by an owner who may be unknown: NULL. To be asked only
 * while there are filters. Whoever asks is a function of its own: the stack of those above is little.
 */
static __always_inline bool filter_leaves_out(const struct owner *owner, const struct endpoint *local,
					      const struct endpoint *peer, __u32 about)
{
	const __u64 *command = owner ? (const __u64 *)owner->command : 0;
	__u32 set = filters;

	if (!set) /* since it was asked whether there are any */
		return false;
	about |= set == 2 ? FILTER_SECOND_SET : 0;
	return !filter_keeps_command(command ? command[0] : 0, command ? command[1] : 0, about) ||
	       !filter_keeps_ports(local->port, peer->port, about) ||
	       !filter_keeps_loopback(filter_word(local, 0), filter_word(local, 2), filter_word(peer, 0),
				      filter_word(peer, 2), about) ||
	       !filter_keeps_networks(local, peer, about);
}

/*
 * What is to be looked at of a connection: the server's port, either where it is not known who that is, and the address of
 * the other end.
 */
static __always_inline __u32 filter_about(__u8 role)
{
	return FILTER_ADDRESSES | FILTER_PEER_NETWORK | (role == ROLE_SERVER ? 0 : FILTER_PEER_PORT) |
	       (role == ROLE_CLIENT ? 0 : FILTER_LOCAL_PORT);
}

#endif /* KERNTAP_FILTER_H */
