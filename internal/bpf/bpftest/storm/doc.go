// Package storm measures what kerntap costs the host that it watches, under the worst that it is built for: a firewall
// that drops packets at full speed, connections at full speed, and requests over HTTP with a connection for each. It has
// benchmarks alone.
//
// They run the built binary with its defaults, which sends to a real OpenTelemetry Collector. The load runs in processes
// pinned to CPUs, in a network namespace of its own. One round is the load alone, under programs that only count (the
// floor), under kerntap and, for connections, under tcplife, which have a second to begin; figures are medians of the rounds, and
// comparisons are made within a round, because machines change their speed by the minute. Rates and CPU time are taken with BPF
// statistics off, which cost time themselves, and the time of BPF programs in runs of their own.
package storm
