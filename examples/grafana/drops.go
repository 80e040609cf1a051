package main

// drops is which packets the kernel dropped and why.
func drops() dashboard {
	return dashboard{"drops.json", "kerntap: packet drops", "Packets that the kernel dropped, by reason, class and command.",
		[]panel{
			{kind: series, title: "By class", unit: "pps",
				help: "loss: somebody wanted the packet. refused: nobody listens. cleanup: ordinary operation.",
				queries: []query{{`sum by (kerntap_drop_class) (rate(kerntap_packet_drops_total{job="$job",kerntap_command=~"$command"}[$__rate_interval]))`,
					"{{kerntap_drop_class}}"}}},
			{kind: series, title: "By reason, without clean-up", unit: "pps",
				help: "The running kernel's own names.",
				queries: []query{{`sum by (kerntap_drop_reason) (rate(kerntap_packet_drops_total{job="$job",kerntap_drop_class!="cleanup",kerntap_command=~"$command"}[$__rate_interval]))`,
					"{{kerntap_drop_reason}}"}}},
			{kind: series, title: "By command, without clean-up", unit: "pps",
				help: "Whose socket the packet was from or for. A packet that no socket was found for has no command.",
				queries: []query{{`sum by (kerntap_command) (rate(kerntap_packet_drops_total{job="$job",kerntap_drop_class!="cleanup",kerntap_command=~"$command"}[$__rate_interval]))`,
					"{{kerntap_command}}"}}},
			{kind: series, title: "By protocol, without clean-up", unit: "pps",
				help: "Transport and IP version, as the packet's own headers have it.",
				queries: []query{{`sum by (network_transport, network_type) (rate(kerntap_packet_drops_total{job="$job",kerntap_drop_class!="cleanup",kerntap_command=~"$command"}[$__rate_interval]))`,
					"{{network_transport}} {{network_type}}"}}},
			{kind: series, title: "Lost bytes", unit: "Bps",
				help: "Bytes of packets of class loss.",
				queries: []query{{`sum by (kerntap_drop_reason) (rate(kerntap_packet_drop_io_bytes_total{job="$job",kerntap_drop_class="loss",kerntap_command=~"$command"}[$__rate_interval]))`,
					"{{kerntap_drop_reason}}"}}},
			{kind: number, title: "Lost since the start", unit: "short",
				help:    "Packets of class loss, counted since each kerntap started.",
				queries: []query{{`sum(kerntap_packet_drops_total{job="$job",kerntap_drop_class="loss",kerntap_command=~"$command"})`, ""}}},
			{kind: logs, title: "Lost packets", width: columns,
				help:    "Records: samples in full, with addresses, reason and place in the kernel.",
				queries: []query{{`{service_name=~".+"} | kerntap_drop_class="loss"`, ""}}},
		}}
}
