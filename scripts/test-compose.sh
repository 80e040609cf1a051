#!/bin/sh
# Brings examples/docker-compose up with a real engine and finds the workload's refused connect, with the workload's
# container.id, in what the collector wrote. Uses the engine that is there, else starts one of its own from Debian's
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
file=$example/docker-compose.yaml
engine=""
compose() { $composer -p "$project" --project-directory "$example" -f "$file" "$@"; }
clean() {
	trap - EXIT HUP INT TERM
	[ -z "${composer:-}" ] || compose down --rmi local --volumes --timeout 2 >/dev/null 2>&1 || true
	if [ -n "$engine" ]; then
		kill "$engine" 2>/dev/null || true
		wait "$engine" 2>/dev/null || true
	fi
	rm -rf "$work" "$example/bin/engine-without-cap-bpf.yaml"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM
fail() { # fail WORDS
	echo "test-compose: $1" >&2
	exit 1
}

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
compose build >"$work/build.log" 2>&1 || {
	cat "$work/build.log" >&2
	fail "the images do not build"
}

# Engines before 23 do not know the capabilities BPF and PERFMON by name. What they can grant is SYS_ADMIN, which holds
# both and more: good enough for a test, and not what docker-compose.yaml says.
image=$(docker images --quiet "${project}?kerntap")
if probe=$(docker create --cap-add BPF "$image" 2>/dev/null); then
	docker rm "$probe" >/dev/null
	echo "test-compose: the engine grants BPF and PERFMON, as docker-compose.yaml asks"
else
	file=$example/bin/engine-without-cap-bpf.yaml
	sed 's/cap_add: \[BPF, PERFMON\]/cap_add: [SYS_ADMIN]/' "$example/docker-compose.yaml" >"$file"
	! cmp -s "$file" "$example/docker-compose.yaml" || fail "docker-compose.yaml does not say cap_add: [BPF, PERFMON]"
	echo "test-compose: this engine does not know CAP_BPF; granting SYS_ADMIN in its place, in this test alone"
fi

compose up --detach >"$work/up.log" 2>&1 || {
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

# One Resource a line: it must be the workload's, and hold a failed connect that was refused.
workload=$(container workload)
for _ in $(seq 30); do
	docker logs "$(container collector)" 2>/dev/null | sed 's/{"resource":{/\n&/g' >"$work/resources"
	found=$(grep "\"container.id\",\"value\":{\"stringValue\":\"$workload\"}" "$work/resources" |
		grep '"kerntap.tcp.connection.failed"' | grep -c '"error.type","value":{"stringValue":"refused"}') || true
	[ "$found" -eq 0 ] || break
	sleep 1
done
[ "$found" -gt 0 ] || {
	docker logs --tail 20 "$(container kerntap)" >&2
	cut -c 1-600 "$work/resources" | tail -n 20 >&2
	fail "the collector wrote no refused connect with the workload's container.id (what it wrote is above)"
}
echo "test-compose: the collector wrote the workload's refused connect, with its container.id $workload"
