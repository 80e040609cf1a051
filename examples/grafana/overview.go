package main

// overview is where one looks first: is something wrong, with whom, and of what kind.
func overview() dashboard {
	return dashboard{"overview.json", "kerntap: overview", "Failed connections, lost packets, retransmits and resets, by command.",
		[]panel{
			{kind: number, title: "Failed connects", unit: "percent", width: 6,
				help: "Share of clients' connects that failed; those whose caller gave up count.",
				queries: []query{{`100 * sum(rate(kerntap_tcp_connections_total{job="$job",kerntap_tcp_role="client",error_type!="",kerntap_command=~"$command"}[$__rate_interval])) / ` +
					`sum(rate(kerntap_tcp_connections_total{job="$job",kerntap_tcp_role="client",kerntap_command=~"$command"}[$__rate_interval]))`, ""}}},
			{kind: number, title: "Lost packets", unit: "pps", width: 6,
				help:    "Packets of class loss that this host's kernel dropped: somebody wanted them.",
				queries: []query{{`sum(rate(kerntap_packet_drops_total{job="$job",kerntap_drop_class="loss",kerntap_command=~"$command"}[$__rate_interval]))`, ""}}},
			{kind: number, title: "Retransmitted segments", unit: "percent", width: 6,
				help:    "Share of the TCP segments sent that were sent again: above one or two percent the network hurts. " + pendingHelp,
				queries: []query{{retransmitted(""), ""}}},
			{kind: number, title: "Programs that read events", unit: "short", width: 6,
				help:    "All of them should: kerntap check and /health say why one does not.",
				queries: []query{{`sum(kerntap_program_up{job="$job"})`, ""}}},
			{kind: series, title: "Failed connections by command", unit: "cps",
				help: "Refused: nobody listens. Timed out: packets vanish. Reset: the other end refused late. Cancelled: the caller gave up first.",
				queries: []query{{`sum by (kerntap_command, error_type) (rate(kerntap_tcp_connections_total{job="$job",error_type!="",kerntap_command=~"$command"}[$__rate_interval]))`,
					"{{kerntap_command}} {{error_type}}"}}},
			{kind: series, title: "Lost packets by reason", unit: "pps",
				help: "The kernel's own reasons; `kerntap explain REASON` says what each means.",
				queries: []query{{`sum by (kerntap_drop_reason, kerntap_command) (rate(kerntap_packet_drops_total{job="$job",kerntap_drop_class="loss",kerntap_command=~"$command"}[$__rate_interval]))`,
					"{{kerntap_drop_reason}} {{kerntap_command}}"}}},
			roundTrips(),
			{kind: series, title: "Retransmitted segments by command", unit: "percent",
				help:    "Share of the segments that a command's connections sent again. " + pendingHelp,
				queries: []query{{retransmitted(" by (kerntap_command) "), "{{kerntap_command}}"}}},
			{kind: series, title: "Resets", unit: "short",
				help: "Connections that were ended by force, by whom they were sent.",
				queries: []query{{`sum by (kerntap_command, network_io_direction) (rate(kerntap_tcp_resets_total{job="$job",kerntap_command=~"$command"}[$__rate_interval]))`,
					"{{kerntap_command}} {{network_io_direction}}"}}},
			{kind: series, title: "Full listen queues", unit: "short",
				help: "Packets that listeners refused: most often their queue was full, because they accept too slowly. The kernel says nothing to the client, which sends again and gives up.",
				queries: []query{{`sum by (kerntap_command) (rate(kerntap_tcp_listen_drops_total{job="$job",kerntap_command=~"$command"}[$__rate_interval]))`,
					"{{kerntap_command}}"}}},
		}}
}

// roundTrips is how far away the other ends are.
func roundTrips() panel {
	return panel{kind: series, title: "Round-trip time", unit: "s",
		help: "The kernel's own smoothed measurements, half and 95 % of them.",
		queries: []query{
			{`histogram_quantile(0.5, sum by (le, kerntap_command) (rate(kerntap_tcp_rtt_seconds_bucket{job="$job",kerntap_command=~"$command"}[$__rate_interval])))`,
				"{{kerntap_command}} half"},
			{`histogram_quantile(0.95, sum by (le, kerntap_command) (rate(kerntap_tcp_rtt_seconds_bucket{job="$job",kerntap_command=~"$command"}[$__rate_interval])))`,
				"{{kerntap_command}} 95 %"},
		}}
}

const pendingHelp = "A connect that is still tried counts its segments at its end alone: until then it may show 100 %, never more."

// retransmitted is the share of the segments sent that were sent again. A segment sent again is told at once, those sent are
// told when their connection is looked at, or has failed: the share is cut where the first are ahead of the others, and
// is none where nothing is known to have been sent.
func retransmitted(by string) string {
	return `clamp_max(100 * sum` + by + `(rate(kerntap_tcp_retransmits_total{job="$job",kerntap_command=~"$command"}[$__rate_interval])) / ` +
		`(sum` + by + `(rate(kerntap_tcp_segments_total{job="$job",network_io_direction="transmit",kerntap_command=~"$command"}[$__rate_interval])) > 0), 100)`
}
