/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * kernel_socket.h - the kernel's types of sockets and of the packets they send and receive
 */
#ifndef KERNTAP_KERNEL_SOCKET_H
#define KERNTAP_KERNEL_SOCKET_H

enum {
	AF_UNSPEC = 0,
	AF_INET = 2,
	AF_INET6 = 10,
	IPPROTO_ICMP = 1,
	IPPROTO_TCP = 6,
	IPPROTO_UDP = 17,
	IPPROTO_DCCP = 33,
	IPPROTO_ICMPV6 = 58,
	IPPROTO_SCTP = 132,
	IPPROTO_UDPLITE = 136,
	IPPROTO_MPTCP = 262,
	EINTR = 4,
	EBADF = 9,
	EFAULT = 14,
	EPIPE = 32,
	EADDRNOTAVAIL = 99,
	ECONNRESET = 104,
	EISCONN = 106,
	ETIMEDOUT = 110,
	EALREADY = 114,
	EINPROGRESS = 115,
	ERESTARTSYS = 512, /* and three more: a signal interrupts the call, include/linux/errno.h */
	ERESTART_RESTARTBLOCK = 516,
};

/* include/net/tcp_states.h */
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_FIN_WAIT1 = 4,
	TCP_FIN_WAIT2 = 5,
	TCP_TIME_WAIT = 6,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LAST_ACK = 9,
	TCP_LISTEN = 10,
	TCP_CLOSING = 11,
	TCP_NEW_SYN_RECV = 12,
};

/* the layout is the running kernel's, not the one that would be padded here */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpadded"
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	__u32 inum;
};

struct net_device;

struct net {
	struct ns_common ns;
	struct net_device *loopback_dev;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
};

typedef struct {
	__s64 counter;
} atomic64_t;

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	atomic_t refs;
} refcount_t;

struct list_head {
	struct list_head *next;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	__u16 skc_family;
	unsigned long skc_flags;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	struct hlist_node skc_bind_node;
	atomic64_t skc_cookie;
	refcount_t skc_refcnt;
};

struct sk_buff;

struct sk_buff_head {
	struct sk_buff *prev;
	__u32 qlen;
};

typedef struct {
	int owned; /* by a process */
} socket_lock_t;

struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	atomic_t sk_drops;
	__u32 sk_ack_backlog;
	__u32 sk_max_ack_backlog;
	struct sk_buff_head sk_error_queue;
	__u16 sk_protocol;
	__u8 sk_userlocks : 4;
	int sk_err;
	int sk_err_soft;
};

enum {
	SOCK_BINDPORT_LOCK = 8, /* include/net/sock.h */
};

/* include/net/sock.h; relocated */
enum sock_flags {
	SOCK_DEAD = 0,
	SOCK_DONE = 1,
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
};

struct inet_bind_bucket;
struct inet_bind2_bucket;

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	struct inet_bind_bucket *icsk_bind_hash;
	struct inet_bind2_bucket *icsk_bind2_hash;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 rcv_nxt;
	__u32 snd_una;
	__u32 write_seq;
	__u64 bytes_acked;
	__u64 bytes_received;
	__u64 bytes_sent; /* payload, with what was sent again */
	__u64 bytes_retrans;
	__u32 segs_out;
	__u32 segs_in;
	__u32 total_retrans;
	__u32 srtt_us; /* times eight */
	__u64 tcp_clock_cache; /* ns, monotonic */
	bool is_mptcp;
	struct list_head tsorted_sent_queue;
};

struct request_sock {
	struct sock_common __req_common;
};

struct bpf_iter__bpf_map_elem {
	void *key;
};

struct mptcp_sock {
	struct sock *first;
};

struct net_device {
	char name[16];
	int ifindex;
	possible_net_t nd_net;
};

struct sk_buff {
	struct net_device *dev; /* only while no socket owns the buffer */
	struct sock *sk;
	unsigned int len;
	int skb_iif; /* the device that it came in on */
	__be16 protocol;
	__u16 network_header;
	__u16 mac_header;
	unsigned int tail;
	unsigned char *head;
	char cb[48];
	__u8 csum_valid : 1;
	__u8 csum_complete_sw : 1;
};

struct sock_extended_err {
	__u32 ee_errno;
};

/* what lies in the cb of a buffer that TCP sends */
struct tcp_skb_cb {
	__u16 tcp_gso_segs;
};

/* what lies in the cb of a buffer in an error queue */
struct sock_exterr_skb {
	struct sock_extended_err ee;
};

/* include/uapi/linux/net.h */
typedef enum {
	SS_UNCONNECTED = 1,
} socket_state;

struct socket {
	socket_state state;
	struct sock *sk;
};

#pragma clang attribute pop
#pragma clang diagnostic pop

#endif /* KERNTAP_KERNEL_SOCKET_H */
