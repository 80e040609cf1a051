#!/bin/sh
# Brings the shop of examples/docker-compose up with a real engine, its problems a few seconds each, and finds every one of
# them in a real Prometheus, the records of the dashboards in a real Loki, and the API's refused connect with the API's
# container.id in what the collector wrote. Uses the engine that is there, else starts one of its own (scripts/compose.sh).
# Leaves nothing.
set -eu
cd "$(dirname "$0")/.."

SHOP_PERIOD=8s
. scripts/compose.sh

# What is released is an image as well: the engine takes it, and it says its version.
go run ./scripts/image $example/bin/kerntap/kerntap "$(go env GOARCH)" "$project-released:test" 0 "$work/image.tar"
docker load --quiet --input "$work/image.tar" >/dev/null || fail "the engine does not load the released image"
said=$(docker run --rm "$project-released:test" version)
docker rmi "$project-released:test" >/dev/null
case $said in
"kerntap "*) say "the released image loads and says: $said" ;;
*) fail "the released image says: $said" ;;
esac

bring_up kerntap kerntap-host database api client trouble collector prometheus loki
[ "$(docker inspect --format '{{.HostConfig.Privileged}} {{.HostConfig.ReadonlyRootfs}}' "$(container kerntap)")" = "false true" ] ||
	fail "kerntap runs privileged, or on a root that can be written to"

# One Resource a line: it must be the API's, and hold a failed connect that was refused.
api=$(container api)
recorded() { # recorded EVENT WITH: of the API
	docker logs "$(container collector)" 2>/dev/null | sed 's/{"resource":{/\n&/g' >"$work/resources"
	grep "\"container.id\",\"value\":{\"stringValue\":\"$api\"}" "$work/resources" | grep "\"$1\"" | grep -q "$2"
}
healthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$(container "$1")")" = healthy ]; }
find() { # find WHAT COMMAND...: within two rounds of all problems
	what=$1
	shift
	for _ in $(seq 90); do
		if "$@"; then
			say "found: $what"
			return
		fi
		sleep 1
	done
	docker logs --tail 20 "$(container kerntap)" >&2
	docker logs --tail 20 "$(container client)" >&2
	ask '{__name__=~"kerntap_(tcp_connections|packet_drops)_total",kerntap_command=~"api|client|database|"}' >&2
	fail "this was not found: $what (last words and what Prometheus has are above)"
}
for service in database api collector kerntap-host loki; do
	find "a healthy $service" healthy "$service"
done
find "the collector wrote the API's refused connect, with its container.id $api" recorded kerntap.tcp.connection.failed \
	'"error.type","value":{"stringValue":"refused"}'
find "and what the API's full listen queue dropped" recorded kerntap.tcp.listen.dropped '"kerntap.tcp.listen.queue.length"'
find "pages that the API answered, at a socket older than kerntap" answers \
	'kerntap_tcp_connections_total{job="kerntap-of-api",kerntap_command="api",kerntap_tcp_role="server",error_type=""} > 5'
find "the database that does not listen" answers \
	'kerntap_tcp_connections_total{job="kerntap-of-api",kerntap_command="api",kerntap_tcp_role="client",error_type="refused"} > 2'
# Both problems have a rule that drops packets. Which it was, a packet's ports tell.
dropped='{service_name=~".+"} | kerntap_command="api" | kerntap_drop_reason="NETFILTER_DROP"'
find "the firewall rule: what the API sends to the database is dropped" logged "$dropped | destination_port=\"5432\""
find "the lossy link: what the database sends is dropped" logged "$dropped | source_port=\"5432\""
find "what a rule dropped of the API's, by reason and class" answers \
	'kerntap_packet_drops_total{job="kerntap-of-api",kerntap_drop_reason="NETFILTER_DROP",kerntap_drop_class="loss",kerntap_command="api"} > 2'
find "connects that the API gave up" answers \
	'kerntap_tcp_connections_total{job="kerntap-of-api",kerntap_command="api",error_type="cancelled"} > 0'
find "the client's side of the full listen queue, seen by the kerntap of the host" answers \
	'kerntap_tcp_connections_total{job="kerntap-of-host",kerntap_command="client",error_type=~"cancelled|timed_out"} > 0'
find "the API's own side of it" answers \
	'kerntap_tcp_listen_drops_total{job="kerntap-of-api",kerntap_command="api"} > 0'
find "the database sends again, seen by the kerntap of the host" answers \
	'kerntap_tcp_retransmits_total{job="kerntap-of-host",kerntap_command="database"} > 0'
answers 'kerntap_tcp_connections_total{job="kerntap-of-api",kerntap_command=~"client|database"}' &&
	fail "the sidecar of the API reports other containers' processes"
say "the sidecar reports the API alone"

# The dashboards' panels of records, as Loki has them.
# shellcheck disable=SC2016 # the dollar is Grafana's
jq -r '.panels[] | select(.datasource.type == "loki") | .targets[].expr' examples/grafana/*.json | sed 's/\$command/.*/g' >"$work/logs"
[ -s "$work/logs" ] || fail "the dashboards show no records"
while read -r query; do
	find "in Loki: $query" logged "$query"
	if logged "$query | kerntap_command = \"nobody\"" || [ -n "$(cat "$work/logged")" ]; then fail "Loki finds the records of nobody: $query"; fi
done <"$work/logs"

# Shares that the dashboards show, of either kerntap, with all of the problems behind them; and what the panels' own bound
# would hide: over the whole run nobody sent more segments again than it sent.
again='sum by (kerntap_command) (kerntap_tcp_retransmits_total{job="JOB",kerntap_command=~"api|client|database"})'
sent='sum by (kerntap_command) (kerntap_tcp_segments_total{job="JOB",kerntap_command=~"api|client|database",network_io_direction="transmit"})'
for job in kerntap-of-api kerntap-of-host; do
	# shellcheck disable=SC2016 # the dollars are Grafana's
	jq -r '.panels[] | select(.fieldConfig.defaults.unit == "percent") | .targets[].expr' examples/grafana/*.json |
		sed "s/\$job/$job/g; s/\$command/.*/g; s/\$__rate_interval/20s/g" >"$work/shares"
	[ -s "$work/shares" ] || fail "the dashboards show no shares"
	while read -r share; do
		find "$job's share of $(echo "$share" | grep -o 'kerntap_tcp_[a-z_]*' | sed -n 1p)" answers "max_over_time(($share)[5m:5s]) > 0"
	done <"$work/shares"
	find "$job's segments sent again, no more than were sent" answers "$(echo "$again <= $sent" | sed "s/JOB/$job/g")"
	if answers "$(echo "$again > $sent" | sed "s/JOB/$job/g")"; then fail "$job tells of more segments sent again than sent"; fi
done
