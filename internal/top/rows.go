package top

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kerntap/kerntap/internal/client"
)

// The metrics that a row is made of, by the names that Prometheus knows them by.
const (
	metricConnections = "kerntap_tcp_connections_total"
	metricDrops       = "kerntap_packet_drops_total"
	metricRetransmits = "kerntap_tcp_retransmits_total"
	metricResets      = "kerntap_tcp_resets_total"
	metricRoundTrips  = "kerntap_tcp_rtt_seconds"
	metricBytes       = "kerntap_tcp_io_bytes_total"
)

// Labels, by the names that Prometheus knows them by.
const (
	labelCommand   = "kerntap_command"
	labelErrorType = "error_type"
	labelDropClass = "kerntap_drop_class"
	labelDirection = "network_io_direction"
)

// Values of labels.
const (
	valueLoss     = "loss"
	valueRefused  = "refused"
	valueTransmit = "transmit"
)

// Row is what one command did.
type Row struct {
	// Command is "" for what no command is known of.
	Command string
	// Connections are all outcomes of connects and accepts, Failures those that failed. Lost are packet drops of class
	// loss, Refused those of class refused.
	Connections, Failures, Lost, Refused, Retransmits, Resets float64
	// Sent and Received are bytes of payload.
	Sent, Received float64
	// RTT is the sum of RTTs measured round-trip times, in seconds.
	RTT  float64
	RTTs uint64
}

// meanRTT is in seconds, negative where none was measured.
func (r *Row) meanRTT() float64 {
	if r.RTTs == 0 {
		return -1
	}
	return r.RTT / float64(r.RTTs)
}

// newRows sums metrics by command. Drops of class cleanup are ordinary, and left out.
func newRows(metrics client.Metrics) map[string]Row {
	rows := make(map[string]Row)
	add := func(metric string, to func(r *Row, s client.Sample)) {
		for _, sample := range metrics[metric] {
			row := rows[sample.Labels[labelCommand]]
			row.Command = sample.Labels[labelCommand]
			to(&row, sample)
			if row != (Row{Command: row.Command}) {
				rows[row.Command] = row
			}
		}
	}
	add(metricConnections, func(r *Row, s client.Sample) {
		r.Connections += s.Value
		if s.Labels[labelErrorType] != "" {
			r.Failures += s.Value
		}
	})
	add(metricDrops, func(r *Row, s client.Sample) {
		switch s.Labels[labelDropClass] {
		case valueLoss:
			r.Lost += s.Value
		case valueRefused:
			r.Refused += s.Value
		}
	})
	add(metricRetransmits, func(r *Row, s client.Sample) { r.Retransmits += s.Value })
	add(metricResets, func(r *Row, s client.Sample) { r.Resets += s.Value })
	add(metricRoundTrips, func(r *Row, s client.Sample) { r.RTT, r.RTTs = r.RTT+s.Value, r.RTTs+s.Count })
	add(metricBytes, func(r *Row, s client.Sample) {
		if s.Labels[labelDirection] == valueTransmit {
			r.Sent += s.Value
		} else {
			r.Received += s.Value
		}
	})
	return rows
}

// perSecond returns what happened between two looks, a second. Counters that fell began anew.
func perSecond(now, before map[string]Row, seconds float64) map[string]Row {
	rates := make(map[string]Row, len(now))
	rate := func(a, b float64) float64 {
		if a < b {
			b = 0
		}
		return (a - b) / seconds
	}
	for name, n := range now {
		b := before[name]
		r := Row{
			Command:     name,
			Connections: rate(n.Connections, b.Connections), Failures: rate(n.Failures, b.Failures),
			Lost: rate(n.Lost, b.Lost), Refused: rate(n.Refused, b.Refused),
			Retransmits: rate(n.Retransmits, b.Retransmits), Resets: rate(n.Resets, b.Resets),
			Sent: rate(n.Sent, b.Sent), Received: rate(n.Received, b.Received),
		}
		if n.RTTs > b.RTTs {
			r.RTT, r.RTTs = n.RTT-b.RTT, n.RTTs-b.RTTs
		}
		rates[name] = r
	}
	return rates
}

// choose returns the rows whose command has filter in it, in the order of a column, the largest first or the smallest.
func choose(rows map[string]Row, filter string, by column, ascending bool) []Row {
	var chosen []Row
	for _, row := range rows {
		if strings.Contains(strings.ToLower(shownCommand(row.Command)), strings.ToLower(filter)) {
			chosen = append(chosen, row)
		}
	}
	slices.SortFunc(chosen, func(a, b Row) int {
		order := -cmp.Compare(by.value(&a), by.value(&b))
		if by.value(&a) == by.value(&b) {
			return cmp.Compare(a.Command, b.Command)
		}
		if ascending {
			return -order
		}
		return order
	})
	return chosen
}

// shownCommand is a command as the table has it.
func shownCommand(name string) string {
	if name == "" {
		return "(not known)"
	}
	return client.Printable(name)
}
