#!/bin/sh
# Brings the shop of examples/docker-compose up with a real engine, its problems a few seconds each, and finds every one of
# them in a real Prometheus, and the API's refused connect with the API's container.id in what the collector wrote. Uses the engine that is there, else starts one of its own from Debian's
# packages in a temporary folder. Needs root (or a user of the engine that is there). Leaves nothing.
set -eu
cd "$(dirname "$0")/.."

example=examples/docker-compose
PATH=$PATH:/usr/sbin:/sbin
if docker info >/dev/null 2>&1; then mine=""; else mine=yes; fi
if [ -n "$mine" ] && [ "$(id -u)" -ne 0 ]; then
	$example/build.sh
	exec sudo env "PATH=$PATH" "HOME=$HOME" "XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache}" "$0" --built
fi
[ "${1:-}" = --built ] || $example/build.sh

work=$(mktemp -d)
project=kerntap-test-$$
export COMPOSE_PROJECT_NAME="$project" SHOP_PERIOD=8s
file=$example/bin/compose.yaml
engine=""
compose() { $composer -p "$project" --project-directory "$example" -f "$file" -f "$example/bin/test.yaml" --profile host "$@"; }
clean() {
	trap - EXIT HUP INT TERM
	[ -z "${composer:-}" ] || compose down --rmi local --volumes --timeout 2 >/dev/null 2>&1 || true
	if [ -n "$engine" ]; then
		kill "$engine" 2>/dev/null || true
		wait "$engine" 2>/dev/null || true
	fi
	rm -rf "$work" "$file" "$example/bin/test.yaml" "$example/bin/prometheus"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM
fail() { # fail WORDS
	echo "test-compose: $1" >&2
	exit 1
}

sed '/^    ports:/d' "$example/docker-compose.yaml" >"$file" # nothing of this machine's is taken

# Prometheus is Debian's, with the libraries that it needs, in an image of this test's own: none can be fetched.
scripts/deps.sh
prometheus=$example/bin/prometheus
mkdir -p "$prometheus/bin"
for name in prometheus promtool; do
	program=$(command -v $name)
	cp "$program" "$prometheus/bin/"
	for library in $(ldd "$program" | grep -o '/[^ ]*'); do
		mkdir -p "$prometheus$(dirname "$library")"
		cp -L "$library" "$prometheus$library"
	done
done
mkdir -p "$prometheus/tmp" "$prometheus/prometheus"
printf 'FROM scratch\nCOPY . /\nENTRYPOINT ["/bin/prometheus"]\n' >"$prometheus/Dockerfile"
cat >"$example/bin/test.yaml" <<-END
	services:
	  prometheus:
	    image: ${project}_prometheus
	    build: {context: ./bin/prometheus}
	    user: "0:0"
END

if [ -n "$mine" ]; then
	scripts/deps.sh engine
	export DOCKER_HOST="unix://$work/engine.sock"
	# In namespaces of its own: an engine puts a bridge, firewall rules and mounts on its host and leaves them there.
	unshare --net --mount dockerd --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" \
		--host "$DOCKER_HOST" >"$work/log" 2>&1 &
	engine=$!
	for _ in $(seq 100); do
		if docker info >/dev/null 2>&1; then break; fi
		sleep 0.2
	done
	docker info >/dev/null 2>&1 || {
		tail -n 20 "$work/log" >&2
		fail "the engine did not start within 20 seconds (its last words are above)"
	}
fi
if docker compose version >/dev/null 2>&1; then composer="docker compose"; else composer=docker-compose; fi

# Images of this test's own, built from the Dockerfiles as they are.
export DOCKER_BUILDKIT=0
services="database api client trouble kerntap kerntap-host collector prometheus"
# shellcheck disable=SC2086 # a list of words
compose build $services >"$work/build.log" 2>&1 || {
	cat "$work/build.log" >&2
	fail "the images do not build"
}

# What is released is an image as well: the engine takes it, and it says its version.
go run ./scripts/image $example/bin/kerntap/kerntap "$(go env GOARCH)" "$project-released:test" 0 "$work/image.tar"
docker load --quiet --input "$work/image.tar" >/dev/null || fail "the engine does not load the released image"
said=$(docker run --rm "$project-released:test" version)
docker rmi "$project-released:test" >/dev/null
case $said in
"kerntap "*) echo "test-compose: the released image loads and says: $said" ;;
*) fail "the released image says: $said" ;;
esac

# Engines before 23 do not know the capabilities BPF and PERFMON by name. What they can grant is SYS_ADMIN, which holds
# both and more: good enough for a test, and not what docker-compose.yaml says.
image=$(docker images --quiet "${project}?kerntap")
if probe=$(docker create --cap-add BPF "$image" 2>/dev/null); then
	docker rm "$probe" >/dev/null
	echo "test-compose: the engine grants BPF and PERFMON, as docker-compose.yaml asks"
else
	sed -i 's/cap_add: \[BPF, PERFMON\]/cap_add: [SYS_ADMIN]/' "$file"
	grep -q 'cap_add: \[SYS_ADMIN\]' "$file" || fail "docker-compose.yaml does not say cap_add: [BPF, PERFMON]"
	echo "test-compose: this engine does not know CAP_BPF; granting SYS_ADMIN in its place, in this test alone"
fi

# shellcheck disable=SC2086 # a list of words
compose up --detach $services >"$work/up.log" 2>&1 || {
	cat "$work/up.log" >&2
	fail "the stack does not come up"
}
container() { compose ps -q "$1"; }
for _ in $(seq 60); do
	health=$(docker inspect --format '{{.State.Health.Status}}' "$(container kerntap)")
	[ "$health" != healthy ] || break
	sleep 1
done
[ "$health" = healthy ] || {
	docker logs --tail 20 "$(container kerntap)" >&2
	fail "kerntap is $health after a minute (its last words are above)"
}
[ "$(docker inspect --format '{{.HostConfig.Privileged}} {{.HostConfig.ReadonlyRootfs}}' "$(container kerntap)")" = "false true" ] ||
	fail "kerntap runs privileged, or on a root that can be written to"

# One Resource a line: it must be the API's, and hold a failed connect that was refused.
api=$(container api)
prometheus=$(container prometheus)
recorded() {
	docker logs "$(container collector)" 2>/dev/null | sed 's/{"resource":{/\n&/g' >"$work/resources"
	grep "\"container.id\",\"value\":{\"stringValue\":\"$api\"}" "$work/resources" |
		grep '"kerntap.tcp.connection.failed"' | grep -q '"error.type","value":{"stringValue":"refused"}'
}
answers() { # answers QUESTION: whether Prometheus finds anything
	docker exec "$prometheus" promtool query instant http://127.0.0.1:9090 "$1" 2>/dev/null | grep -q '=>'
}
find() { # find WHAT COMMAND...: within two rounds of all problems
	what=$1
	shift
	for _ in $(seq 90); do
		if "$@"; then
			echo "test-compose: found: $what"
			return
		fi
		sleep 1
	done
	docker logs --tail 20 "$(container kerntap)" >&2
	docker logs --tail 20 "$(container client)" >&2
	docker exec "$prometheus" promtool query instant http://127.0.0.1:9090 '{__name__=~"kerntap_(tcp_connections|packet_drops)_total",kerntap_command=~"api|client|database|"}' >&2
	fail "this was not found: $what (last words and what Prometheus has are above)"
}
find "the collector wrote the API's refused connect, with its container.id $api" recorded
find "pages that were answered" answers \
	'kerntap_tcp_connections_total{job="kerntap-of-api",kerntap_tcp_role="server",error_type=""} > 5'
find "the database that does not listen" answers \
	'kerntap_tcp_connections_total{job="kerntap-of-api",kerntap_command="api",kerntap_tcp_role="client",error_type="refused"} > 2'
find "the firewall rule" answers \
	'kerntap_packet_drops_total{job="kerntap-of-api",kerntap_drop_reason="NETFILTER_DROP",kerntap_drop_class="loss",kerntap_command="api"} > 2'
find "connects that the API gave up" answers \
	'kerntap_tcp_connections_total{job="kerntap-of-api",kerntap_command="api",error_type="cancelled"} > 0'
find "the client's side of the full listen queue, seen by the kerntap of the host" answers \
	'kerntap_tcp_connections_total{job="kerntap-of-host",kerntap_command="client",error_type=~"cancelled|timed_out"} > 0'
answers 'kerntap_tcp_connections_total{job="kerntap-of-api",kerntap_command=~"client|database"}' &&
	fail "the sidecar of the API reports other containers' processes"
echo "test-compose: the sidecar reports the API alone"
