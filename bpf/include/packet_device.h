/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * packet_device.h - the device that a packet is at
 *
 * What lies in dev of a buffer may be something else: where it waits in a UDP socket's queue, or a socket owns it. A read of
 * typed memory that faults gives zeros, but in a program that has functions it may panic kernels before 0108a4e9f358 ("bpf:
 * ensure main program has an extable", 6.4). So a device is read as untyped memory, by helpers that catch what faults; only
 * newer kernels, which take memory for a type, read it directly where the helpers are forbidden.
 */
#ifndef KERNTAP_PACKET_DEVICE_H
#define KERNTAP_PACKET_DEVICE_H

#include "memory.h"

static __always_inline struct net *device_net(struct net_device *device)
{
	if (may_probe_read)
		return BPF_CORE_READ(device, nd_net.net);
	return bpf_rdonly_cast && device ? device->nd_net.net : 0;
}

/* The number of its network namespace, 0 where that is not known. */
static __always_inline __u32 device_netns(struct net_device *device)
{
	if (may_probe_read)
		return BPF_CORE_READ(device, nd_net.net, ns.inum);
	return bpf_rdonly_cast && device ? device->nd_net.net->ns.inum : 0;
}

/*
 * A device is in a network namespace whose loopback is in it too: the socket's, or the one that a wire between the two has handed
 * the buffer to, which the socket still owns there (9c4c325252c5 "skbuff: preserve sock reference when scrubbing the skb.",
 * 4.19).
 */
static __always_inline bool is_device(struct net_device *device)
{
	struct net *net = device_net(device);

	if (may_probe_read)
		return net && BPF_CORE_READ(net, loopback_dev, nd_net.net) == net;
	return net && device->nd_net.net->loopback_dev->nd_net.net == net;
}

static __always_inline __u32 device_index(struct net_device *device)
{
	return may_probe_read ? BPF_CORE_READ(device, ifindex) : device->ifindex;
}

/* name has 16 bytes, of zeros */
static __always_inline void device_name(char *name, struct net_device *device)
{
	if (may_probe_read)
		bpf_probe_read_kernel(name, sizeof(device->name), (void *)device + bpf_core_field_offset(device->name));
	else if (bpf_rdonly_cast)
		__builtin_memcpy(name, device->name, sizeof(device->name));
}

#endif /* KERNTAP_PACKET_DEVICE_H */
