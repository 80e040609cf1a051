#!/bin/sh
# The benchmarks behind the README's numbers. Run it with nothing beside it.
set -eu
cd "$(dirname "$0")/.."

root=""
as_root=""
if [ "$(id -u)" -ne 0 ]; then
	root=sudo
	as_root="-exec=sudo"
fi

echo "machine: $(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1); kernel: Linux $(uname -r)"
echo
echo "== ring sample to decoded event (bar: 150 ns, 1 allocation)"
go test -run '^$' -bench 'Decode' -benchmem -count 5 ./internal/bpf | grep '^Benchmark\|FAIL\|_test.go:'
echo
echo "== program channel to storage and adapters, no network (bar: 300,000 events a second)"
go test -run '^$' -bench 'Chain' -benchmem -count 5 ./internal/export | grep '^Benchmark\|FAIL\|_test.go:'
echo
echo "== OTLP over gRPC to a receiver in this process (bar: 14 µs of CPU a record, none lost at 30,000 a second)"
go test -run '^$' -bench '^BenchmarkCollector' -benchmem -count 5 ./internal/export | grep '^Benchmark\|FAIL\|_test.go:'
echo
echo "== memory of a full queue of 100,000 events"
go test -run '^$' -bench 'FullQueue$' -benchtime 3x ./internal/export | grep '^Benchmark\|FAIL\|_test.go:'
echo
echo "== OTLP to a real collector with otel-collector.yaml, beside the collector's own CPU and memory (bar: 14 µs, none lost)"
collector=$(scripts/collector.sh)
KERNTAP_COLLECTOR=$collector go test -run '^$' -bench 'RealCollector' -benchtime 5s -count 5 ./internal/export | grep '^Benchmark\|FAIL\|_test.go:'
echo
echo "== memory of this process with a full queue of 100,000 events and no collector"
go test -run '^$' -bench 'QueueWithoutCollector' -benchtime 1x -count 5 ./internal/export | grep '^Benchmark\|FAIL\|_test.go:'
echo
echo "== BPF time a run, beside a bare counting program on the same hook in the same run"
REQUIRE_BPF=1 go test $as_root -run '^$' -bench 'PacketDrop|Connection' -benchtime 50000x -count 5 ./internal/bpf/programs | grep '^Benchmark\|FAIL\|_test.go:'
echo
echo "== the walk over 10,000 sockets, all of which have carried something (bar: 20 ms)"
REQUIRE_BPF=1 go test $as_root -run '^$' -bench 'WalkOf10000' -benchtime 20x -count 5 ./internal/bpf/programs | grep '^Benchmark\|FAIL\|_test.go:'
echo
echo "== draining a full ledger (bar: 50 ms with 64 possible CPUs, for which the rows' map is emulated in two ways)"
go test $as_root -run '^$' -bench 'DrainFullLedger' -benchtime 20x ./internal/bpf | grep '^Benchmark\|FAIL\|_test.go:'
echo
make -s bin/kerntap
echo "== storms: the load alone, under programs that only count, under bin/kerntap and, of connections, under tcplife, in turns; medians (and extremes)"
go test -c -o bin/storm.test ./internal/bpf/bpftest/storm
$root env REQUIRE_BPF=1 KERNTAP_BINARY="$PWD/bin/kerntap" KERNTAP_COLLECTOR="$collector" \
	./bin/storm.test -test.run '^$' -test.bench . -test.benchtime 1x | grep '^[a-z]*: \|^  \|FAIL\|_test.go'
rm bin/storm.test
echo
echo "== memory of an idle kerntap (bar: 40 MB resident) and of its maps in the kernel"
log=$(mktemp)
$root ./bin/kerntap run --console text --listen 127.0.0.1:14319 >"$log" 2>&1 &
job=$!
trap '$root kill -INT $job 2>/dev/null || true; wait $job 2>/dev/null || true; rm -f "$log"' EXIT
until ./bin/kerntap ready --listen 127.0.0.1:14319 2>/dev/null; do
	kill -0 $job 2>/dev/null || { cat "$log" >&2; exit 1; }
	sleep 0.2
done
sleep 12 # past the first export of metrics
# under sudo the job is sudo, and kerntap its child
pid=$(pgrep -P "$job" kerntap || echo "$job")
$root sed -n 's/^VmRSS:[[:space:]]*/resident: /p' "/proc/$pid/status"
curl -s http://127.0.0.1:14319/api/programs | grep -o '"name":"[a-z_]*","desc\|"map_bytes":[0-9]*' | sed 's/","desc/"/' | paste - -
