#!/bin/sh
# The benchmarks behind the README's numbers. Run it with nothing beside it.
set -eu
cd "$(dirname "$0")/.."

root=""
[ "$(id -u)" -eq 0 ] || root="sudo env PATH=$PATH HOME=$HOME"

echo "machine: $(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1); kernel: Linux $(uname -r)"
echo
echo "== ring sample to decoded event (bar: 150 ns, 1 allocation)"
go test -run '^$' -bench 'Decode' -benchmem -count 5 ./internal/bpf | grep '^Benchmark'
echo
echo "== program channel to storage and adapters, no network (bar: 300,000 events a second)"
go test -run '^$' -bench 'Chain' -benchmem -count 5 ./internal/export | grep '^Benchmark'
echo
echo "== OTLP over gRPC to a receiver in this process (bar: 14 µs of CPU a record, none lost at 30,000 a second)"
go test -run '^$' -bench 'Collector' -benchmem -count 5 ./internal/export | grep '^Benchmark'
echo
echo "== memory of a full queue of 65,536 events"
go test -run '^$' -bench 'FullQueue' -benchtime 3x ./internal/export | grep '^Benchmark'
echo
echo "== BPF time a run, beside a bare counting program on the same hook in the same run"
$root env REQUIRE_BPF=1 go test -run '^$' -bench 'PacketDrop|Connection' -benchtime 50000x -count 5 ./internal/bpf/programs | grep '^Benchmark'
echo
echo "== memory of an idle kerntap (bar: 40 MB resident) and of its maps in the kernel"
make -s build
$root ./bin/kerntap run --console text --listen 127.0.0.1:14319 >/dev/null 2>&1 &
trap '$root pkill -f "kerntap run --console text --listen 127.0.0.1:14319" || true' EXIT
until ./bin/kerntap ready --listen 127.0.0.1:14319 2>/dev/null; do sleep 0.2; done
sleep 12 # past the first export of metrics
pid=$(pgrep -f '^./bin/kerntap run --console text --listen 127.0.0.1:14319')
$root sed -n 's/^VmRSS:[[:space:]]*/resident: /p' "/proc/$pid/status"
curl -s http://127.0.0.1:14319/api/programs | grep -o '"name":"[a-z_]*","desc\|"map_bytes":[0-9]*' | sed 's/","desc/"/' | paste - -
