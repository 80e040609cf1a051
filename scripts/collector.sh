#!/bin/sh
# Builds the OpenTelemetry Collector of examples/collector/manifest.yaml from Go modules, once for each content of that
# file, and prints the path of the binary as the last line, the only one on standard output.
set -eu
cd "$(dirname "$0")/.."

builder=go.opentelemetry.io/collector/cmd/builder@v0.155.0
manifest=$PWD/examples/collector/manifest.yaml

hash=$( (echo "$builder" && cat "$manifest") | sha256sum | cut -c 1-16)
home=${XDG_CACHE_HOME:-$HOME/.cache}/kerntap/collector/$hash
if [ -x "$home/otelcol" ]; then
	echo "$home/otelcol"
	exit 0
fi

echo "collector: building it from Go modules; this first time takes about three minutes" >&2
mkdir -p "$home"
work=$(mktemp -d "$home/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The builder's last step, "go mod tidy", wants the tests' dependencies of all modules as well, and gives up if one of
# those is not to be had, although the sources are complete by then. So it writes the sources, and what is tidied and
# compiled is decided here.
if ! (cd "$work" && go run "$builder" --config "$manifest" --skip-compilation) >"$work/log" 2>&1 &&
	! { [ -s "$work/otelcol/go.mod" ] && [ -s "$work/otelcol/main.go" ]; }; then
	cat "$work/log" >&2
	echo "collector: the builder wrote no sources (its words are above)" >&2
	exit 1
fi
if ! (cd "$work/otelcol" && go mod tidy -e &&
	CGO_ENABLED=0 go build -mod=mod -trimpath -ldflags="-s -w" -o "$work/built" .) >>"$work/log" 2>&1; then
	tail -n 40 "$work/log" >&2
	echo "collector: the collector does not compile (the reason is above)" >&2
	exit 1
fi
# In place at once or not at all: whoever builds the same beside this finds a whole binary.
mv "$work/built" "$home/otelcol"
echo "$home/otelcol"
