# shellcheck shell=sh
# The shop of examples/docker-compose, for the scripts beside this one that source it: the engine that is there, else one
# of its own from Debian's packages in a temporary folder; Debian's Prometheus; Loki from Go modules; images built here;
# nothing of this machine's ports. Needs root (or a user of the engine that is there). Leaves nothing.

script=$(basename "$0" .sh)
example=examples/docker-compose
PATH=$PATH:/usr/sbin:/sbin
if docker info >/dev/null 2>&1; then mine=""; else mine=yes; fi
if [ -n "$mine" ] && [ "$(id -u)" -ne 0 ]; then
	$example/build.sh
	scripts/loki.sh >/dev/null # as the user, whose caches it fills
	exec sudo env "PATH=$PATH" "HOME=$HOME" "XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache}" "SHOP_PERIOD=$SHOP_PERIOD" "$0" --built
fi
[ "${1:-}" = --built ] || $example/build.sh

work=$(mktemp -d)
project=kerntap-test-$$
export COMPOSE_PROJECT_NAME="$project" SHOP_PERIOD
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
	rm -rf "$work" "$file" "$example/bin/test.yaml" "$example/bin/prometheus" "$example/bin/loki"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM
say() { echo "$script: $1"; }
fail() { # fail WORDS
	say "$1" >&2
	exit 1
}

sed '/^    ports:/d' "$example/docker-compose.yaml" >"$file" # nothing of this machine's is taken

# Prometheus is Debian's, with the libraries that it needs, in an image of this test's own: none can be fetched. The
# pages that it shows are files under /usr/share. Its promtool does not know the `check ready` of docker-compose.yaml's
# health check, so that here the engine calls Prometheus unhealthy, and nothing asks.
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

# Loki lies where it does in its own image, which its health check relies on.
loki=$example/bin/loki
mkdir -p "$loki/usr/bin" "$loki/tmp"
cp "$(scripts/loki.sh)" "$loki/usr/bin/loki"
printf 'FROM scratch\nCOPY . /\nENTRYPOINT ["/usr/bin/loki"]\n' >"$loki/Dockerfile"
cat >"$example/bin/test.yaml" <<-END
	services:
	  prometheus:
	    image: ${project}_prometheus
	    build: {context: ./bin/prometheus}
	    user: "0:0"
	    volumes: ["/usr/share:/usr/share:ro"]
	  loki:
	    image: ${project}_loki
	    build: {context: ./bin/loki}
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

container() { compose ps -q "$1"; }
ask() { docker exec "$(container prometheus)" promtool query instant http://127.0.0.1:9090 "$1"; }
# logged QUERY: whether Loki has any such record; promtool can ask it, too, because it answers as Prometheus does
logged() {
	docker exec "$(container prometheus)" promtool query instant http://loki:3100/loki "sum(count_over_time($1 [1h]))" >"$work/logged" &&
		grep -q '=>' "$work/logged"
}
answers() { ask "$1" 2>/dev/null | grep -q '=>'; } # answers QUESTION: whether Prometheus finds anything

# bring_up KERNTAP SERVICE...: builds the images from the Dockerfiles as they are, starts the services, and waits until that
# kerntap is healthy.
bring_up() {
	seen_by=$1
	export DOCKER_BUILDKIT=0
	compose build "$@" >"$work/build.log" 2>&1 || {
		cat "$work/build.log" >&2
		fail "the images do not build"
	}
	# Engines before 23 do not know the capabilities BPF and PERFMON by name. What they can grant is SYS_ADMIN, which holds
	# both and more: good enough for a test, and not what docker-compose.yaml says.
	image=$(docker images --quiet "${project}?kerntap")
	if probe=$(docker create --cap-add BPF "$image" 2>/dev/null); then
		docker rm "$probe" >/dev/null
		say "the engine grants BPF and PERFMON, as docker-compose.yaml asks"
	else
		sed -i 's/cap_add: \[BPF, PERFMON\]/cap_add: [SYS_ADMIN]/' "$file"
		grep -q 'cap_add: \[SYS_ADMIN\]' "$file" || fail "docker-compose.yaml does not say cap_add: [BPF, PERFMON]"
		say "this engine does not know CAP_BPF; granting SYS_ADMIN in its place, in this run alone"
	fi
	compose up --detach "$@" >"$work/up.log" 2>&1 || {
		cat "$work/up.log" >&2
		fail "the stack does not come up"
	}
	for _ in $(seq 60); do
		health=$(docker inspect --format '{{.State.Health.Status}}' "$(container "$seen_by")")
		[ "$health" != healthy ] || break
		sleep 1
	done
	[ "$health" = healthy ] || {
		docker logs --tail 20 "$(container "$seen_by")" >&2
		fail "$seen_by is $health after a minute (its last words are above)"
	}
}
