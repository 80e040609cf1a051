/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * tcp_trouble_event.h - what tcp_trouble.bpf.c counts and records
 */
#ifndef KERNTAP_TCP_TROUBLE_EVENT_H
#define KERNTAP_TCP_TROUBLE_EVENT_H

#include "endpoint.h"
#include "event.h"
#include "ledger.h"
#include "owner.h"
#include "ring.h"
#include "scope.h"
#include "throttle.h"

enum tcp_trouble_kind {
	TROUBLE_RETRANSMIT = 0,
	TROUBLE_RESET_SENT = 1,
	TROUBLE_RESET_RECEIVED = 2,
};

struct tcp_trouble_row {
	__u32 reason; /* of a reset that was sent: enum sk_rst_reason of the running kernel, where it has that */
	__u8 kind;    /* enum tcp_trouble_kind */
	__u8 _pad[3];
	struct row_owner who;
};

struct tcp_trouble_event {
	struct event_header header;
	struct endpoint local;
	struct endpoint peer;
	__u32 reason;
	__u32 segments; /* that were sent again at once */
	__u8 kind;
	__u8 state; /* of the socket, TCP_…; 0 where there is none */
	__u8 known; /* whether the ends are */
	__u8 _pad[5];
};

enum {
	REASONS = 64, /* more than any kernel has */
};

LEDGER(struct tcp_trouble_row, REASONS * 4);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
	__type(value, struct tcp_trouble_event);
} events SEC(".maps");

/* by kind: whether anybody wants a record */
volatile bool kinds_recorded[4];

/* What happened, and to whom. */
struct tcp_trouble {
	struct socket_owner *known;
	struct sock *sk;
	__u32 netns;
	__u32 reason;
	__u32 segments;
	__u8 kind;
	__u8 state;
	bool filtered;
	__u8 _pad;
};

static __always_inline __u32 tcp_trouble_kind(const struct tcp_trouble_row *row)
{
	return (row->kind & 3) * REASONS + (row->reason & (REASONS - 1));
}

/* Counts it; returns room for its record, or NULL if there is to be none. */
static __always_inline struct tcp_trouble_event *tcp_trouble_count(const struct tcp_trouble *trouble)
{
	struct tcp_trouble_row row = { .kind = trouble->kind, .reason = trouble->reason };
	struct socket_owner *known = trouble->known;
	struct tally amount = { .count = 1, .sum = trouble->segments };
	struct tcp_trouble_event *event;

	if ((known && known->own) || !in_scope(trouble->netns) || trouble->filtered) {
		ledger_count(filtered);
		return 0;
	}
	if (known) {
		row_owner_set(&row.who, &known->owner);
		ledger_charge(&known->owner, row.kind, 0);
	}
	ledger_add(&row, amount, tcp_trouble_kind(&row));
	if (!kinds_recorded[row.kind & 3]) {
		ledger_count(counted);
		return 0;
	}
	if (!ledger_admits(&row))
		return 0;
	event = ring_reserve(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.timestamp_ns = bpf_ktime_get_ns();
	event->header.netns = trouble->netns;
	if (known)
		event->header.owner = known->owner;
	event->reason = trouble->reason;
	event->segments = trouble->segments;
	event->kind = trouble->kind;
	event->state = trouble->state;
	return event;
}

#endif /* KERNTAP_TCP_TROUBLE_EVENT_H */
