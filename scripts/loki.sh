#!/bin/sh
# Builds the Loki whose image examples/docker-compose/docker-compose.yaml names, from Go modules, once for each version,
# and prints the path of the binary as the last line, the only one on standard output.
set -eu
cd "$(dirname "$0")/.."

version=$(sed -n 's/^ *image: grafana\/loki:/v/p' examples/docker-compose/docker-compose.yaml)
home=${XDG_CACHE_HOME:-$HOME/.cache}/kerntap/loki/$version
if [ -x "$home/loki" ]; then
	echo "$home/loki"
	exit 0
fi

echo "loki: building $version from Go modules; this first time takes about six minutes" >&2
mkdir -p "$home"
work=$(mktemp -d "$home/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# go install refuses modules that replace others, so what it would compile is copied and compiled in place. The one that is
# replaced by a folder beside it is fetched: the module does not hold that folder.
if ! sources=$(go mod download -json "github.com/grafana/loki/v3@$version" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p') ||
	[ -z "$sources" ]; then
	echo "loki: $version cannot be fetched" >&2
	exit 1
fi
cp -r "$sources" "$work/loki"
chmod -R u+w "$work/loki"
if ! (cd "$work/loki" && go mod edit -dropreplace github.com/grafana/loki/pkg/push &&
	CGO_ENABLED=0 go build -mod=mod -trimpath -ldflags="-s -w" -o "$work/built" ./cmd/loki) >"$work/log" 2>&1; then
	tail -n 40 "$work/log" >&2
	echo "loki: it does not compile (the reason is above)" >&2
	exit 1
fi
# In place at once or not at all: whoever builds the same beside this finds a whole binary.
mv "$work/built" "$home/loki"
echo "$home/loki"
