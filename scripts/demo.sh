#!/bin/sh
# Shows the whole way, from the kernel to a file that a real collector wrote: a good connection, one that is refused, one
# whose packets the firewall drops, and one that nobody answers, between two network namespaces of their own. Leaves
# nothing.
set -eu
cd "$(dirname "$0")/.."

# Built as the user, so that the caches stay the user's; only what follows needs root.
if [ "${1:-}" != --built ]; then
	scripts/collector.sh >/dev/null
	CGO_ENABLED=0 go build -trimpath -o bin/demo ./examples/demo
	[ "$(id -u)" -eq 0 ] ||
		exec sudo env "PATH=$PATH" "HOME=$HOME" "XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache}" "$0" --built
fi
PATH=$PATH:/usr/sbin:/sbin
collector=$(scripts/collector.sh)
kerntap=${KERNTAP:-bin/kerntap}
work=$(mktemp -d)
space=kerntap-demo-$$
pids=""

clean() {
	trap - EXIT HUP INT TERM
	for pid in $pids; do kill "$pid" 2>/dev/null || true; done
	for pid in $pids; do wait "$pid" 2>/dev/null || true; done
	for end in shop store; do ip netns delete "$space-$end" 2>/dev/null || true; done
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

fail() { # fail WORDS [FILE]
	[ -z "${2:-}" ] || tail -n 20 "$2" >&2
	echo "demo: $1" >&2
	exit 1
}
await() { # await WHAT LOG COMMAND...: until the command succeeds, for at most 15 seconds
	what=$1 log=$2
	shift 2
	for _ in $(seq 75); do
		if "$@" >/dev/null 2>&1; then return; fi
		sleep 0.2
	done
	fail "$what is not ready after 15 seconds (its last words are above)" "$log"
}

# shellcheck disable=SC2046 # five words
set -- $(bin/demo ports 5)
grpc=$1 http=$2 health=$3 self=$4 api=$5

OTLP_GRPC_ENDPOINT=127.0.0.1:$grpc OTLP_HTTP_ENDPOINT=127.0.0.1:$http HEALTH_ENDPOINT=127.0.0.1:$health \
	COLLECTOR_METRICS_PORT=$self COLLECTOR_FILE=$work/otlp.jsonl \
	"$collector" --config otel-collector.yaml --config examples/collector/file.yaml >"$work/collector.log" 2>&1 &
pids="$pids $!"
await "the collector" "$work/collector.log" curl -fs --noproxy '*' "http://127.0.0.1:$health/"

# Two machines and a cable: shop is 192.0.2.1, store 192.0.2.2 with a firewall. What shop sends to 192.0.2.99 arrives at
# store's machine as well, which is not meant and forwards nothing: nobody answers. The kernel gives up a connect after
# its second packet, three seconds, instead of two minutes.
ip netns add "$space-shop"
ip netns add "$space-store"
near() { ip netns exec "$space-shop" "$@"; }
far() { ip netns exec "$space-store" "$@"; }
near ip link add cable type veth peer name cable netns "$space-store"
near ip address add 192.0.2.1/24 dev cable
far ip address add 192.0.2.2/24 dev cable
near ip link set cable up
far ip link set cable up
near ip neighbour add 192.0.2.99 dev cable lladdr "$(far cat /sys/class/net/cable/address)"
near sysctl -qw net.ipv4.tcp_syn_retries=1
far sysctl -qw net.ipv4.ip_forward=0 # a new namespace has what the host has
far nft 'add table ip demo; add chain ip demo in { type filter hook input priority 0; };
	add rule ip demo in tcp dport 8443 counter drop'
# Named by what they are here, and the kernel knows them by that.
ln -s "$PWD/bin/demo" "$work/store"
ln -s "$(command -v curl)" "$work/shop"
shop() { near "$work/shop" -s -o /dev/null --noproxy '*' "$@" || true; }

OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$grpc OTEL_EXPORTER_OTLP_PROTOCOL=grpc \
	"$kerntap" run --console none --metric-interval 1s --listen "127.0.0.1:$api" >"$work/kerntap.log" 2>&1 &
pids="$pids $!"
await kerntap "$work/kerntap.log" bin/kerntap ready --listen "127.0.0.1:$api"
# After kerntap: it knows the owner of a listening socket from the moment when the socket begins to listen.
ip netns exec "$space-store" "$work/store" serve 192.0.2.2:8080 >"$work/store.log" 2>&1 &
pids="$pids $!"
await "the server" "$work/store.log" sh -c "ip netns exec $space-store ss -Hltn 'sport = 8080' | grep -q ."

echo "shop asks store for a page: answered"
shop http://192.0.2.2:8080/
echo "shop connects where nobody listens: refused"
shop http://192.0.2.2:8081/
echo "shop connects to a port that the firewall drops, and gives up after 1.5 seconds"
shop --connect-timeout 1.5 http://192.0.2.2:8443/
echo "shop connects to a machine that is not there: the kernel gives up after 3 seconds"
shop http://192.0.2.99:8080/

for word in '"timed_out"' '"cancelled"' '"refused"' tcp.connection.closed NETFILTER_DROP kerntap.tcp.connections; do
	await "what the collector has to write ($word)" "$work/kerntap.log" grep -q "$word" "$work/otlp.jsonl"
done
sleep 2 # the last metric points
echo
echo "What the collector wrote:"
bin/demo story "$work/otlp.jsonl"
