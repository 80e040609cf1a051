package main

// self is kerntap about itself: what it sees, records, loses and sends.
func self() dashboard {
	return dashboard{"kerntap.json", "kerntap: itself", "What kerntap saw, and what became of it on its way.",
		[]panel{
			{kind: series, title: "Programs", unit: "short",
				help:    "1 while a program reads events.",
				queries: []query{{`kerntap_program_up{job="$job"}`, "{{instance}} {{kerntap_program_name}}"}}},
			{kind: series, title: "Kernel events by what became of them", unit: "short",
				help: "All of recorded, throttled and counted are in the metrics. Lost is too, without a record; missed is in nothing.",
				queries: []query{{`sum by (kerntap_program_name, kerntap_outcome) (rate(kerntap_program_events_total{job="$job"}[$__rate_interval]))`,
					"{{kerntap_program_name}} {{kerntap_outcome}}"}}},
			{kind: series, title: "Records on their way to the exporters", unit: "short",
				help: "Dropped: kerntap was too slow. Undecodable: a defect of kerntap.",
				queries: []query{{`sum by (kerntap_program_name, kerntap_outcome) (rate(kerntap_program_records_total{job="$job"}[$__rate_interval]))`,
					"{{kerntap_program_name}} {{kerntap_outcome}}"}}},
			{kind: series, title: "Records that left the exporters", unit: "short",
				help: "Exported, or why not.",
				queries: []query{{`sum by (kerntap_outcome, error_type) (rate(kerntap_exporter_records_total{job="$job"}[$__rate_interval]))`,
					"{{kerntap_outcome}} {{error_type}}"}}},
			{kind: series, title: "Records that wait", unit: "short",
				help:    "Rises while the collector is away; at 100,000 (`otlp.logs.queue`) the oldest leave.",
				queries: []query{{`kerntap_program_queued{job="$job"}`, "{{instance}} {{kerntap_destination}}"}}},
			{kind: series, title: "Rows of the ledgers", unit: "short",
				help:    "What the kernel tells apart at a time.",
				queries: []query{{`kerntap_program_ledger_rows{job="$job"}`, "{{instance}} {{kerntap_program_name}}"}}},
			{kind: series, title: "Shortages", unit: "short",
				help:    "Should be zero: without room in the kernel all is counted all the same, with less of a name. ledger.memory gives more.",
				queries: []query{{`sum by (kerntap_program_name, kerntap_shortage) (rate(kerntap_program_shortages_total{job="$job"}[$__rate_interval]))`, "{{kerntap_program_name}} {{kerntap_shortage}}"}}},
			{kind: series, title: "Series of metrics", unit: "short",
				help:    "At 2,000 a metric is full, and newcomers are counted together.",
				queries: []query{{`kerntap_series_active{job="$job"}`, "{{instance}} {{kerntap_metric_name}}"}}},
			{kind: series, title: "Measurements without a series of their own", unit: "short",
				help:    "Should be zero: metrics.attributes asks for too much otherwise.",
				queries: []query{{`sum by (kerntap_metric_name) (rate(kerntap_series_overflows_total{job="$job"}[$__rate_interval]))`, "{{kerntap_metric_name}}"}}},
		}}
}
